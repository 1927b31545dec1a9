-- How hubs reach each other. Messages are sealed for their receiver, and deleted by the receiver that reads them; the table is not in the
-- write-ahead log, so that no backup and no standby holds one.

-- The addresses of the nodes, each with its expiry by the server's clock (milliseconds since 1970).
CREATE TABLE nodes (node bigint PRIMARY KEY, place text NOT NULL, expires bigint NOT NULL);

CREATE UNLOGGED TABLE mail (mailbox bigint NOT NULL, body bytea NOT NULL, at bigint NOT NULL);
CREATE INDEX mail_mailbox ON mail (mailbox);

-- Registers these nodes with their address, and deletes expired nodes and messages.
CREATE FUNCTION announce(here bigint[], at_place text, lease bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO nodes SELECT n, at_place, now_ms() + lease FROM unnest(here) n
    ON CONFLICT (node) DO UPDATE SET place = excluded.place, expires = excluded.expires;
    DELETE FROM nodes WHERE expires < now_ms() - 60000;
    DELETE FROM mail WHERE at < now_ms() - 60000;
END $$;

-- Puts a message into a mailbox. The reader of a mailbox holds its lock: if the lock is free, the mailbox has no reader.
CREATE FUNCTION post(to_mailbox bigint, message bytea) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF pg_try_advisory_xact_lock_shared(to_mailbox) THEN
        RETURN false;
    END IF;
    INSERT INTO mail VALUES (to_mailbox, message, now_ms());
    PERFORM pg_notify('tidings_mail_' || to_hex(to_mailbox), '');
    RETURN true;
END $$;
