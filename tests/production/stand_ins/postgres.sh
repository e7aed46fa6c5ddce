# Makes the database the first time, as the official entrypoint does, and becomes the server.
set -eu
as_postgres() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    printf '%s' "$POSTGRES_PASSWORD" >/dev/shm/password
    chown postgres: /dev/shm/password "$PGDATA"
    as_postgres initdb --username="$POSTGRES_USER" --pwfile=/dev/shm/password \
        --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
    rm /dev/shm/password
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    as_postgres pg_ctl -w start -o "-c listen_addresses="
    as_postgres createdb --username="$POSTGRES_USER" "$POSTGRES_USER"
    as_postgres pg_ctl -w -m fast stop
fi
exec setpriv --reuid=postgres --regid=postgres --clear-groups postgres -c "listen_addresses=*" "$@"
