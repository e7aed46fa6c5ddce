-- FTS5 has the trigrams alone, and is given the old content to delete that. (Without a table of the
-- content, deleting needs SQLite 3.43.) Only one trigger follows an UPDATE, since SQLite promises no
-- order of several; it does not start itself. REPLACE starts no trigger for what it deletes: do not
-- use it here. index.py compares these statements with the database.

CREATE VIRTUAL TABLE profiles_search USING fts5(
    names, visibility, content='profiles_profile', content_rowid='id', tokenize='trigram'
);

CREATE TRIGGER profiles_search_insert AFTER INSERT ON profiles_profile
BEGIN
    INSERT INTO profiles_search (rowid, names, visibility)
        SELECT NEW.id, NEW.names, NEW.visibility WHERE NEW.names <> '';
    UPDATE profiles_profile SET names = '' WHERE id = NEW.id; -- Starts the next one.
END;

CREATE TRIGGER profiles_search_update
AFTER UPDATE OF id, user_id, folded_name, names, visibility ON profiles_profile
WHEN OLD.id <> NEW.id OR OLD.names <> NEW.names OR OLD.visibility <> NEW.visibility
OR NEW.names <> (
    SELECT '  ' || username
        || coalesce('  ' || nullif(replace(replace(username, '-', '  '), '_', '  '), username), '')
        || '  ' || replace(replace(NEW.folded_name, ' ', '  '), char(10), '  ')
    FROM profiles_user WHERE id = NEW.user_id
)
BEGIN
    INSERT INTO profiles_search (profiles_search, rowid, names, visibility)
        SELECT 'delete', OLD.id, OLD.names, OLD.visibility WHERE OLD.names <> '';
    UPDATE profiles_profile SET names = coalesce((
        SELECT '  ' || username
            || coalesce('  ' || nullif(replace(replace(username, '-', '  '), '_', '  '), username), '')
            || '  ' || replace(replace(NEW.folded_name, ' ', '  '), char(10), '  ')
        FROM profiles_user WHERE id = NEW.user_id
    ), '') WHERE id = NEW.id;
    INSERT INTO profiles_search (rowid, names, visibility)
        SELECT id, names, visibility FROM profiles_profile WHERE id = NEW.id AND names <> '';
END;

CREATE TRIGGER profiles_search_delete AFTER DELETE ON profiles_profile
BEGIN
    INSERT INTO profiles_search (profiles_search, rowid, names, visibility)
        SELECT 'delete', OLD.id, OLD.names, OLD.visibility WHERE OLD.names <> '';
END;

CREATE TRIGGER profiles_search_username AFTER UPDATE OF username ON profiles_user
WHEN OLD.username <> NEW.username
BEGIN
    UPDATE profiles_profile SET names = '' WHERE user_id = NEW.id;
END;
