#!/bin/bash
# Back up the database and the pictures into a dated folder, or test or restore such a backup.
# docs/deploying.md, "Backup", says more.
#
#   backup.sh                   make a backup
#   backup.sh --verify          restore the newest one into a scratch place, and audit it; then keep
#                               the newest one of seven days, four weeks and twelve months
#   backup.sh --restore [NAME]  replace what the site has by a backup; ask first
#   backup.sh --fetch           get the newest one back from the repository
#   backup.sh --daily           do the first two once a day, for ever
#
# Needs the site's own variables, and BACKUP_DIR, the folder of the backups. RESTIC_REPOSITORY and
# RESTIC_PASSWORD name a second, encrypted place; BACKUP_ACCESS_KEY_ID and BACKUP_SECRET_ACCESS_KEY
# are its keys if it is a bucket, and RESTIC_HOST is the site's name there.
set -euo pipefail
shopt -s inherit_errexit
umask 077
cd "$(dirname "$0")/.."

python=python
[ ! -x .venv/bin/python ] || python=.venv/bin/python
vendor='' database='' media='' bucket='' scratch_database=''

fail() {
    echo "backup.sh: $*" >&2
    exit 1
}

# Run a command; if it fails, print its output and end with a sentence, which comes first.
try() {
    local sentence=$1 said
    shift
    said=$("$@" 2>&1) && return
    echo "$said" >&2
    case $said in
        *"No space left"* | *"disk is full"*) fail "$sentence The disk is full." ;;
    esac
    fail "$sentence"
}

is_sqlite() { [ "$vendor" = sqlite ]; }
manage() { "$python" manage.py "$@"; }
sql() { psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 "$@"; }
# Print the names of the backups, the newest last.
list() {
    find "$BACKUP_DIR" -maxdepth 1 -type d -name '????-??-??T??????Z' -printf '%f\n' | sort
}

prepare() {
    if [ ! -d "${BACKUP_DIR:-}" ] || [ ! -w "$BACKUP_DIR" ]; then
        fail "BACKUP_DIR is \"${BACKUP_DIR:-}\": it must be a folder that this user may write."
    fi
    BACKUP_DIR=$(realpath "$BACKUP_DIR")
    exec 9>"$BACKUP_DIR/.lock"
    flock --nonblock 9 || fail "Another run is at work in $BACKUP_DIR."
    remove_parts
    trap clean_up EXIT
    read_settings
    # rclone reads the site's bucket with the site's keys.
    export RCLONE_CONFIG="" RCLONE_S3_ENV_AUTH=true RCLONE_S3_NO_CHECK_BUCKET=true
    export RCLONE_S3_PROVIDER=Other
}

# What has this ending is not complete: an interrupted run has left it.
remove_parts() {
    rm -rf "$BACKUP_DIR"/????-??-??T??????Z.part "$BACKUP_DIR"/likeness-{fetched,verified}.part
}

# Set what the site's settings say, so that the script and the site mean the same place. libpq reads
# the PG variables: everybody may read the arguments of a process. `quote` makes each value one word
# of the shell, whatever is in it, so `eval` runs nothing of it. If a variable is wrong, manage.py
# says so in a line, and the script ends.
read_settings() {
    local lines
    lines=$(manage shell --no-imports -c '
import os
from shlex import quote

from django.conf import settings
from django.db import connection

facts = {
    "vendor": connection.vendor,
    "database": connection.settings_dict["NAME"],
    "media": settings.MEDIA_ROOT,
    "bucket": settings.AWS_STORAGE_BUCKET_NAME,
    "RESTIC_HOST": os.environ.get("RESTIC_HOST") or [*settings.ALLOWED_HOSTS, "likeness"][0],
}
if settings.AWS_STORAGE_BUCKET_NAME:
    facts["RCLONE_S3_REGION"] = settings.AWS_S3_REGION_NAME
    facts["RCLONE_S3_ENDPOINT"] = settings.AWS_S3_ENDPOINT_URL
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        if getattr(settings, name):
            facts[name] = getattr(settings, name)
if connection.vendor == "postgresql":
    from psycopg.pq import Conninfo

    values = connection.get_connection_params()
    for option in Conninfo.get_defaults():
        if option.envvar and option.keyword.decode() in values:
            facts[option.envvar.decode()] = values[option.keyword.decode()]
for name, value in facts.items():
    print(f"export {name}={quote(str(value))}")')
    eval "$lines"
}

clean_up() {
    remove_parts
    [ -z "$scratch_database" ] || sql --command="DROP DATABASE \"$scratch_database\""
}

# Pictures, database, pictures, and none is deleted from the copy in between: so each file that the
# copied database names is there, unless it was written and deleted during the backup.
back_up() {
    local name last part folder
    name=$(date --utc +%FT%H%M%SZ)
    last=$(list | tail --lines=1)
    part=$BACKUP_DIR/$name.part
    [[ $name > $last ]] || fail "The clock says $name, but there is a backup of $last."
    for folder in avatars protected; do
        # Nobody but the operator deletes it: no disk is mounted, and rsync would copy nothing.
        if [ ! "$bucket" ] && [ ! -d "$media/$folder" ] &&
            [ -d "$BACKUP_DIR/$last/media/$folder" ]; then
            fail "$media/$folder is missing: is its disk mounted? If its files are lost, make it."
        fi
    done
    mkdir "$part"
    # A picture's file never changes under its name, so one file serves all backups that have it.
    if [ "$bucket" ] && [ "$last" ]; then
        try "The last backup could not be linked." cp -al "$BACKUP_DIR/$last/media" "$part"
    fi
    try "The pictures could not be copied." copy_pictures sync
    try "The database could not be copied." copy_database
    try "The pictures could not be copied a second time." copy_pictures copy
    # Before it has a name that says that it is complete.
    try "The backup could not be written." sync --file-system "$part"
    mv "$part" "$BACKUP_DIR/$name"
    [ -z "${RESTIC_REPOSITORY:-}" ] || try "The backup could not be sent to the repository." send
    try "The site could not record its backup." manage record_backup
    echo "backup.sh: $name is complete."
}

copy_pictures() {
    if [ "$bucket" ]; then
        # A file that was deleted meanwhile is not listed at the next try.
        rclone "$1" --ignore-existing --retries 10 ":s3:$bucket" "$part/media"
    elif [ ! -e "$media" ] && [ -z "$(ls "$BACKUP_DIR/$last/media" 2>/dev/null)" ]; then
        mkdir -p "$part/media"  # Nobody has uploaded a picture yet.
    else
        # 24: files were deleted meanwhile.
        rsync --archive ${last:+--link-dest="$BACKUP_DIR/$last/media"} "$media/" "$part/media" ||
            [ $? = 24 ]
    fi
}

copy_database() {
    if is_sqlite; then
        "$python" -c 'import pathlib, sqlite3, sys
uri = pathlib.Path(sys.argv[1]).absolute().as_uri() + "?mode=rw"
sqlite3.connect(uri, uri=True).execute("VACUUM INTO ?", sys.argv[2:])' \
            "$database" "$part/db.sqlite3"
    else
        pg_dump --format=custom --file="$part/likeness.dump"
    fi
}

# Delete old backups, here and in the repository. Only `verify` does, when the newest is known to be
# good: it may replace another one of the same day.
prune() {
    local kept name
    kept=$(newest_of 7 %F && newest_of 4 %G-%V && newest_of 12 %Y-%m) || return
    for name in $(list); do
        grep --quiet --line-regexp --fixed-strings "$name" <<<"$kept" && continue
        # Half deleted, it must not look like a backup.
        mv "$BACKUP_DIR/$name" "$BACKUP_DIR/$name.part" && rm -rf "$BACKUP_DIR/$name.part" || return
    done
    # Another site may use the same repository.
    [ -z "${RESTIC_REPOSITORY:-}" ] || restic_ forget --host "$RESTIC_HOST" --group-by host \
        --prune --keep-daily 7 --keep-weekly 4 --keep-monthly 12
}

# Print the newest backup of each of the last days, weeks or months that have one: how many of them,
# and their form for `date`.
newest_of() {
    list | sed 's/T.*//' | date --file=- "+$2" | paste -d ' ' - <(list) |
        sort --reverse --key=2 | awk -v count="$1" '!seen[$1]++ && count-- > 0 {print $2}'
}

# Run restic with the keys of the backup's bucket, not with those of the site's.
restic_() {
    AWS_ACCESS_KEY_ID=${BACKUP_ACCESS_KEY_ID:-} AWS_SECRET_ACCESS_KEY=${BACKUP_SECRET_ACCESS_KEY:-} \
        AWS_SESSION_TOKEN='' restic --quiet --cache-dir "$BACKUP_DIR/.cache" "$@"
}

send() {
    local time=${name/T/ }
    time=${time:0:13}:${time:13:2}:${time:15:2}
    restic_ cat config >/dev/null || restic_ init || return
    restic_ unlock && # What killed runs have left.
        (cd "$BACKUP_DIR" && TZ=UTC restic_ backup --host "$RESTIC_HOST" --time "$time" "$name")
}

fetch() {
    local part=$BACKUP_DIR/likeness-fetched.part name
    try "The repository could not be read." \
        restic_ restore latest --host "$RESTIC_HOST" --target "$part"
    name=$(ls "$part")
    [ ! -e "$BACKUP_DIR/$name" ] || fail "$name, the newest in the repository, is here already."
    mv "$part/$name" "$BACKUP_DIR"
    echo "backup.sh: $name is in $BACKUP_DIR."
}

# Replace the content of a database by that of a backup.
load() {
    if is_sqlite; then
        # A log of the former database does not fit the new one.
        cp "$1/db.sqlite3" "$2.part" && rm -f "$2"-wal "$2"-shm && mv "$2.part" "$2"
    else
        # One transaction, which is committed only if the whole dump was read.
        {
            echo 'BEGIN; DROP SCHEMA public CASCADE; CREATE SCHEMA public;' &&
                pg_restore --no-owner --file=- "$1/likeness.dump" && echo 'COMMIT;'
        } | PGDATABASE=$2 sql
    fi
}

# Set `chosen` to the backup with a name, or to the newest.
choose() {
    chosen=${1:-$(list | tail --lines=1)}
    if [ -z "$chosen" ] || [ ! -d "$BACKUP_DIR/$chosen/media" ]; then
        fail "There is no such backup in $BACKUP_DIR."
    fi
}

verify() {
    local part=$BACKUP_DIR/likeness-verified.part scratch
    choose
    mkdir "$part"
    try "The pictures could not be linked." cp -al "$BACKUP_DIR/$chosen/media" "$part"
    if is_sqlite; then
        scratch=$part/db.sqlite3
        DATABASE_URL=$("$python" -c 'import sys, urllib.parse
print("sqlite:///" + urllib.parse.quote(sys.argv[1]))' "$scratch")
    else
        # No name that a database of the operator's may have.
        scratch=likeness_verify_$(od -An -tx8 -N8 /dev/urandom | tr -d ' ')
        try "The scratch database could not be made." \
            sql --command="CREATE DATABASE \"$scratch\" TEMPLATE template0"
        scratch_database=$scratch
        DATABASE_URL=postgres:///$scratch  # libpq has the rest.
    fi
    try "The database of $chosen cannot be restored." load "$BACKUP_DIR/$chosen" "$scratch"
    export DATABASE_URL MEDIA_ROOT=$part/media AWS_STORAGE_BUCKET_NAME=
    try "The database of $chosen cannot be migrated." manage migrate --noinput
    try "The pictures of $chosen cannot be tidied." manage tidy --now
    try "The pictures of $chosen are not complete." manage audit_media
    echo "backup.sh: $chosen can be restored, and is whole."
    try "Old backups could not be deleted." prune
}

restore() {
    local answer=
    choose "${1:-}"
    echo "This replaces the database and the pictures of the site by $chosen. Stop the site before." >&2
    echo "Type \"yes\" to go on:" >&2
    read -r answer || true
    [ "$answer" = yes ] || fail "Nothing was changed."
    try "The pictures could not be restored." restore_pictures "$BACKUP_DIR/$chosen/media"
    try "The database could not be restored; the pictures were." \
        load "$BACKUP_DIR/$chosen" "$database"
    manage migrate --noinput || fail "The database could not be migrated."
    manage tidy --now || fail "The pictures could not be tidied."
    # Pictures that no profile of the backup has: who knows an address could still see them.
    manage audit_media --delete-orphans --older-than 0 ||
        echo "backup.sh: Pictures are missing: their owners have to upload them again." >&2
    echo "backup.sh: $chosen is restored."
}

restore_pictures() {
    if [ "$bucket" ]; then
        mkdir -p "$1/avatars" "$1/protected"
        rclone copy "$1/avatars" ":s3:$bucket/avatars" \
            --header-upload 'Cache-Control: public, max-age=31536000, s-maxage=3600, immutable' &&
            rclone copy "$1/protected" ":s3:$bucket/protected" \
                --header-upload 'Cache-Control: private, max-age=3600'
    else
        # Readable for nginx, whatever the umask was.
        rsync --recursive --links --times --perms --chmod=D755,F644 "$1/" "$media"
    fi
}

case ${1:-} in
    "") prepare; back_up ;;
    --verify) prepare; verify ;;
    --restore) prepare; restore "${2:-}" ;;
    --fetch) prepare; fetch ;;
    --daily)
        while :; do
            if [ -z "$(find "${BACKUP_DIR:-}/.verified" -mmin -1380 2>/dev/null)" ]; then
                if deploy/backup.sh && deploy/backup.sh --verify; then
                    touch "$BACKUP_DIR/.verified"
                else
                    # Try again tomorrow: each try stores and sends a whole backup.
                    sleep 22h
                fi
            fi
            sleep 1h
        done
        ;;
    *) fail "Usage: backup.sh [--verify | --restore [NAME] | --fetch | --daily]" ;;
esac
