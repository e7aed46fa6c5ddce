#!/bin/sh
# Find a Chromium for the tests, or get one: setup.sh PYTHON
# Prints the path of one that is on this machine, or nothing where Playwright has its own.
set -eu
python=$1

find_chromium() {
    for name in chromium chromium-browser google-chrome; do
        # Asked for its version, too: Ubuntu's chromium-browser may only advise to install a snap.
        if path=$(command -v "$name") && "$path" --version >/dev/null 2>&1; then
            echo "$path"
            return
        fi
    done
    return 1
}

opens() {
    "$python" -c 'from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    playwright.chromium.launch().close()' 2>/dev/null
}

find_chromium && exit
opens && exit
echo "There is no Chromium here: Playwright gets one." >&2
"$python" -m playwright install chromium >&2 && opens && exit
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Playwright's does not start here: Debian's is installed." >&2
    { apt-get update -q && apt-get install -y -q --no-install-recommends chromium; } >&2
    find_chromium && exit
fi
echo "The browser tests need Chromium: install it, so that \`chromium\` is on the PATH." >&2
exit 1
