"""Takes the picture of the demo for these pages: `python docs/make_screenshot.py`, which needs Chromium."""

import pathlib
import shutil
import socket
import tempfile

from PIL import Image
from playwright.sync_api import sync_playwright

import zoo
from tfdgm.demo import page

SCREENSHOT = pathlib.Path(__file__).parent / 'images' / 'demo.png'
MODEL = 'nade_binarized_mnist'
SIZE = {'width': 1100, 'height': 1200}
# The upper part of a two, in parts of the pad's side.
STROKE = (0.36, 0.3), (0.42, 0.23), (0.52, 0.21), (0.6, 0.25), (0.62, 0.33), (0.59, 0.41)


def take(view, address: str):
    """Draws on the pad, completes the drawing and takes the picture."""
    view.goto(address)
    view.get_by_role('tab', name='Complete').click()
    pad = view.locator('canvas:visible').bounding_box()
    places = [(pad['x'] + across * pad['width'], pad['y'] + down * pad['height']) for across, down in STROKE]
    view.mouse.move(*places[0])
    view.mouse.down()
    for place in places[1:]:
        view.mouse.move(*place, steps=4)
    view.mouse.up()
    view.get_by_role('button', name='Complete', exact=True).click()
    view.get_by_text('drawn exactly').wait_for()
    view.locator('.picture:visible img').wait_for()
    view.mouse.move(0, 0)
    view.wait_for_timeout(1000)  # Until the buttons have faded back.
    view.screenshot(path=SCREENSHOT)


def main():
    chromium = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        built = page.build(zoo.names(), zoo.folder, MODEL, pathlib.Path(folder))
        browser = playwright.chromium.launch(executable_path=chromium, args=['--no-sandbox', '--disable-gpu'])
        view = browser.new_page(viewport=SIZE)
        view.set_default_timeout(120_000)
        take(view, page.launched(built, '127.0.0.1', port))
        browser.close()
        built.close(verbose=False)
    Image.open(SCREENSHOT).convert('RGB').quantize(128).save(SCREENSHOT, optimize=True)


if __name__ == '__main__':
    main()
