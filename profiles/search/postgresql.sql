-- index.py compares the functions with the database; a trigger that changes gets another name.
-- Each statement is a transaction: locking both tables would deadlock with people who join.

CREATE OR REPLACE FUNCTION profiles_search_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.names := coalesce((
        SELECT '  ' || username
            || coalesce('  ' || nullif(replace(replace(username, '-', '  '), '_', '  '), username), '')
            || '  ' || replace(replace(NEW.folded_name, ' ', '  '), chr(10), '  ')
        FROM profiles_user WHERE id = NEW.user_id
    ), '');
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION profiles_search_username() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE profiles_profile SET names = '' WHERE user_id = NEW.id; -- Starts the other trigger.
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER profiles_search_names
BEFORE INSERT OR UPDATE OF user_id, folded_name, names ON profiles_profile
FOR EACH ROW EXECUTE FUNCTION profiles_search_names();

CREATE OR REPLACE TRIGGER profiles_search_username
AFTER UPDATE OF username ON profiles_user
FOR EACH ROW WHEN (OLD.username <> NEW.username) EXECUTE FUNCTION profiles_search_username();
