"""A page in the browser to try pretrained models with: samples, drawings that they complete, scores, latent spaces.

It is a part of its own, which `import tfdgm` leaves out, for it needs the package gradio: `pip install 'tfdgm[demo]'`.
`entry.py` says what a model can be asked, `views.py` asks it and makes pictures of the answers, and `page.py`, with
`panels.py`, `given.py` and `pad.py`, is what one sees of that.
"""
