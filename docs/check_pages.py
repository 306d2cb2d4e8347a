"""Looks at all pages of a built site in headless Chromium: `python docs/check_pages.py FOLDER`.

At the width of a desktop and of a phone, light and dark: no page scrolls sideways, logs an error, asks another host for
anything, or has a picture, a sound or a link inside the site that leads nowhere. Without Chromium it says so, and is
content.
"""

import argparse
import functools
import http.server
import pathlib
import shutil
import sys
import threading
import urllib.parse

from playwright.sync_api import sync_playwright

WIDTHS, SCHEMES = (1300, 390), ('light', 'dark')
TIMEOUT = 60_000  # milliseconds
WIDE = """() => document.scrollingElement.scrollWidth > document.scrollingElement.clientWidth"""
BROKEN = """async () => {
    const images = [...document.images].filter(image => image.src)
    images.forEach(image => image.loading = 'eager')
    await Promise.all(images.map(image => image.complete || new Promise(done => image.onload = image.onerror = done)))
    return images.filter(image => !image.naturalWidth).map(image => image.src)
}"""
ADDRESSES = """() => [...document.querySelectorAll('a[href], audio[src]')].map(part => part.href || part.src)"""
ANCHORS = """() => [...document.querySelectorAll('[id]')].map(part => part.id)"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, and does not log it."""

    def log_message(self, *args):
        pass


def served(folder: pathlib.Path) -> tuple:
    """A server of a folder on this machine, and its address."""
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f'http://127.0.0.1:{server.server_port}/'


def looked_at(browser, site: str, path: str) -> tuple:
    """What is wrong with a page, the addresses that it links to, and its anchors."""
    page, faults = browser.new_page(), []
    page.set_default_timeout(TIMEOUT)
    page.on('response', lambda response: response.status >= 400 and faults.append(f'{response.status}: {response.url}'))
    page.on('console', lambda message: message.type == 'error' and faults.append(f'console: {message.text}'))
    page.on('pageerror', lambda error: faults.append(f'script: {error}'))
    page.on('requestfailed', lambda request: faults.append(f'failed: {request.url}'))
    page.on('request', lambda request: request.url.startswith((site, 'data:', 'blob:')) or faults.append(
        f'another host: {request.url}'))
    page.goto(site + path, wait_until='load')
    for width in WIDTHS:
        page.set_viewport_size({'width': width, 'height': 900})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            if page.evaluate(WIDE):
                faults.append(f'scrolls sideways at a width of {width}, {scheme}')
    faults += [f'picture: {address}' for address in page.evaluate(BROKEN)]
    addresses, anchors = page.evaluate(ADDRESSES), set(page.evaluate(ANCHORS))
    page.close()
    return faults, addresses, anchors


def faults_of(folder: pathlib.Path, chromium: str) -> dict:
    """What is wrong with the pages of a site, by their paths."""
    server, site = served(folder)
    faults, links, anchors = {}, {}, {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=['--no-sandbox', '--disable-gpu'])
        for path in sorted(file.relative_to(folder).as_posix() for file in folder.rglob('*.html')):
            faults[path], links[path], anchors[path] = looked_at(browser, site, path)
        browser.close()
    server.shutdown()
    for path, addresses in links.items():
        for address in sorted({address for address in addresses if address.startswith(site)}):
            target, _, anchor = urllib.parse.unquote(address.removeprefix(site)).partition('#')
            target = target.partition('?')[0] or 'index.html'
            if not (folder / target).is_file():
                faults[path].append(f'link to no file: {target}')
            elif anchor and target in anchors and anchor not in anchors[target]:
                faults[path].append(f'link to no place: {target}#{anchor}')
    return faults


def main():
    """Prints what is wrong, and fails if anything is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', type=pathlib.Path, help='what `sphinx-build -b html` wrote')
    arguments = parser.parse_args()
    chromium = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
    if chromium is None:
        print('SKIPPED: there is no Chromium to look at the pages with.')
        return
    faults = faults_of(arguments.folder, chromium)
    for path, found in faults.items():
        for fault in found:
            print(f'{path}: {fault}')
    count = sum(map(len, faults.values()))
    print(f'{len(faults)} pages, {count} faults')
    sys.exit(count > 0)


if __name__ == '__main__':
    main()
