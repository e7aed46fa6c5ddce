#!/bin/bash
# Install a version of Likeness beside the one that serves, and have it take over: as root,
#     /srv/likeness/current/deploy/upgrade.sh v1.1.0
# with a tag of the source. An earlier version goes back. docs/deploying.md explains it.
set -euo pipefail
umask 022  # The site's user reads what root installs.

version=${1:-}
root=${LIKENESS_ROOT:-/srv/likeness}
user=${LIKENESS_USER:-likeness}
export DJANGO_DOTENV=${LIKENESS_VARIABLES:-/etc/likeness.env}
reload=${LIKENESS_RELOAD:-systemctl reload likeness}
release=$root/releases/$version
new=$root/releases/.new
fail() { echo "$@" >&2; exit 1; }
as_site() { if [ "$(id -un)" = "$user" ]; then "$@"; else runuser -u "$user" -- "$@"; fi; }
switch() { ln -sfn "$1" "$root/new" && mv -T "$root/new" "$root/current"; }

# Folders are made and deleted by this name.
[[ $version =~ ^[A-Za-z0-9_][A-Za-z0-9._-]*$ ]] ||
    fail "'$version' is not the name of a version. Usage: upgrade.sh TAG, such as v1.1.0"

# A run that was interrupted leaves a folder without the mark, which is made again.
if [ ! -e "$release/.installed" ]; then
    if [ "$root/current" -ef "$release" ]; then
        fail "$root/current leads to $release, which this script has not made: it is left as it is."
    fi
    origin=$(git -C "$(dirname "$(realpath "$0")")" remote get-url origin)
    # A clone on this machine may not have the newest tags: ask where it came from.
    while [ -d "$origin" ] && [ -z "$(git ls-remote "$origin" "refs/tags/$version")" ] &&
        above=$(git -C "$origin" remote get-url origin 2>/dev/null); do origin=$above; done
    rm -rf "$new"
    git init --quiet "$new"
    git -C "$new" remote add origin "$origin"
    # A tag, since a branch does not stay what it is.
    git -C "$new" fetch --quiet --depth 1 origin "refs/tags/$version"
    git -C "$new" checkout --quiet --detach FETCH_HEAD
    rm -rf "$release"
    mv "$new" "$release"
    python3 -m venv "$release/.venv"
    "$release/.venv/bin/python" -m pip --disable-pip-version-check install --quiet \
        --require-hashes -r "$release/requirements.txt"
    "$release/.venv/bin/python" "$release/manage.py" collectstatic --noinput --verbosity 0
    (cd "$release/staticfiles" && find . -type f) >"$release/.static"
    mv "$release/.static" "$release/.installed"
fi
as_site "$release/.venv/bin/python" "$release/manage.py" migrate --noinput
before=$(readlink "$root/current" || true)
if [ -e "$root/current/.installed" ]; then
    # Pages that browsers have already loaded ask for the static files of the version before. Its
    # mark lists its own, without those that it got in this way.
    tar c -C "$root/current/staticfiles" --files-from "$root/current/.installed" |
        tar x -C "$release/staticfiles" --skip-old-files
fi
switch "releases/$version"
[ "$before" ] || exit 0
if ! $reload; then
    (cd "$root" && [ -d "$before" ]) || fail "$version is installed, but does not serve."
    switch "$before"
    fail "$version does not serve. The link leads to $before, as before."
fi
