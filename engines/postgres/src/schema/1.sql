-- The tables and functions of one log, in the schema that `search_path` names. Changes are made in a further file (see schema.rs).

-- Its one row has the beginning and the end of the log. Appending and trimming hold its lock, so that the order of numbers is the order
-- of commits, and no reader sees a record before the ones in front of it.
CREATE TABLE log (
    one       boolean PRIMARY KEY DEFAULT true CHECK (one),
    version   integer NOT NULL,
    epoch     bigint NOT NULL,
    first     bigint NOT NULL DEFAULT 1,
    last      bigint NOT NULL DEFAULT 0,
    base_tag  bigint DEFAULT 0,
    last_tag  bigint DEFAULT 0,
    bytes     bigint NOT NULL DEFAULT 0,
    floor     bigint NOT NULL DEFAULT 0,
    clock     bigint NOT NULL
) WITH (fillfactor = 10);

-- `before` is the tag of the record before. `bytes` counts the bytes of all entries up to and with this one since the log began, so that
-- the size of any part of it is a subtraction; `payload` is the size that a reader counts. `routing` holds the entry's routing keys. `at` is
-- when it was stored, in milliseconds since 1970 by the server's clock.
CREATE TABLE records (
    seq       bigint PRIMARY KEY,
    tag       bigint NOT NULL,
    before    bigint,
    key       text COLLATE "C" NOT NULL UNIQUE,
    at        bigint NOT NULL,
    bytes     bigint NOT NULL,
    payload   integer NOT NULL,
    routing   bigint[] NOT NULL,
    entry     bytea NOT NULL
);

-- The summary of trimmed records: for each routing key the last one, and the tags of the last ones.
CREATE TABLE summary (key bigint PRIMARY KEY, last bigint NOT NULL);
CREATE INDEX summary_last ON summary (last);
CREATE TABLE tags (seq bigint PRIMARY KEY, tag bigint NOT NULL);
INSERT INTO tags VALUES (0, 0);

CREATE TABLE metadata (key text COLLATE "C" PRIMARY KEY, value bytea NOT NULL);

CREATE FUNCTION now_ms() RETURNS bigint LANGUAGE sql AS 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint';

-- Stores entries; `counts` has the number of routing keys of each. The clock is read first, with the lock held: an entry that waited too
-- long for the lock is not stored, and its row has no number.
CREATE FUNCTION append(
    keys text[], entries bytea[], tags bigint[], payloads integer[], counts integer[], routing bigint[], deadlines bigint[]
) RETURNS TABLE (o_seq bigint, o_tag bigint, o_duplicate boolean, o_epoch bigint, o_now bigint)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    l log;
    e record;
    started bigint;
    done integer := 0;
BEGIN
    SELECT * INTO l FROM log FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the log is not there' USING ERRCODE = 'TD001';
    END IF;
    started := l.last;
    o_now := now_ms();
    o_epoch := l.epoch;
    FOR e IN SELECT * FROM unnest(keys, entries, tags, payloads, counts, deadlines)
             AS u (key, entry, tag, payload, count, deadline) LOOP
        IF e.deadline < o_now THEN
            o_seq := NULL; o_tag := NULL; o_duplicate := NULL;
        ELSE
            SELECT r.seq, r.tag, true INTO o_seq, o_tag, o_duplicate FROM records r WHERE r.key = e.key;
            IF NOT FOUND THEN
                o_seq := l.last + 1; o_tag := e.tag; o_duplicate := false;
                l.bytes := l.bytes + octet_length(e.entry);
                INSERT INTO records VALUES (
                    o_seq, o_tag, l.last_tag, e.key, o_now, l.bytes, e.payload, routing[done + 1 : done + e.count], e.entry
                );
                l.last := o_seq; l.last_tag := o_tag;
            END IF;
        END IF;
        done := done + e.count;
        RETURN NEXT;
    END LOOP;
    IF l.last > started THEN
        UPDATE log SET last = l.last, last_tag = l.last_tag, bytes = l.bytes;
        PERFORM pg_notify('tidings_' || current_schema(), l.last::text);
    END IF;
END $$;

-- The tag at a number: of a record, of the one right before the first, or of a trimmed one whose tag is still kept.
CREATE FUNCTION tag_at(l log, place bigint) RETURNS bigint LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
BEGIN
    IF place = l.last THEN RETURN l.last_tag; END IF;
    IF place = l.first - 1 THEN RETURN l.base_tag; END IF;
    IF place > l.last THEN RETURN NULL; END IF;
    IF place < l.first THEN RETURN (SELECT t.tag FROM tags t WHERE t.seq = place); END IF;
    RETURN coalesce((SELECT r.tag FROM records r WHERE r.seq = place), (SELECT r.before FROM records r WHERE r.seq = place + 1));
END $$;

-- The log's row with the tag at `after`, and then the records that follow, within the limits, all of one snapshot.
CREATE FUNCTION page(after bigint, records_limit bigint, bytes_limit bigint) RETURNS TABLE (
    o_epoch bigint, o_first bigint, o_last bigint, o_base_tag bigint, o_last_tag bigint,
    o_seq bigint, o_tag bigint, o_before bigint, o_routing bigint[], o_entry bytea
) LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
    l log;
    taken bigint := 0;
    payload integer;
BEGIN
    SELECT * INTO l FROM log;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the log is not there' USING ERRCODE = 'TD001';
    END IF;
    o_epoch := l.epoch; o_first := l.first; o_last := l.last; o_base_tag := l.base_tag; o_last_tag := l.last_tag;
    o_tag := tag_at(l, after);
    RETURN NEXT;
    IF after < l.first - 1 OR records_limit = 0 THEN RETURN; END IF;
    FOR o_seq, o_tag, o_before, o_routing, o_entry, payload IN
        SELECT r.seq, r.tag, r.before, r.routing, r.entry, r.payload FROM records r
        WHERE r.seq > after AND r.seq <= l.last ORDER BY r.seq LIMIT records_limit
    LOOP
        RETURN NEXT;
        taken := taken + payload;
        IF taken >= bytes_limit THEN RETURN; END IF;
    END LOOP;
END $$;

-- Trims records beyond the bounds from the front, up to a maximal number, and adds them to the summary, in one transaction.
-- `oldest` and `clock_now` are milliseconds since 1970 by the clock that determines the age of records.
CREATE FUNCTION trim_log(
    keep_records bigint, keep_bytes bigint, oldest bigint, most bigint, keep_keys bigint, keep_tags bigint, clock_now bigint
) RETURNS TABLE (removed bigint, more boolean) LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    l log;
    reach bigint;
    target bigint;
    found_records bigint;
    given_up bigint;
    new_base bigint;
BEGIN
    SELECT * INTO l FROM log FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the log is not there' USING ERRCODE = 'TD001';
    END IF;
    reach := least(l.last, l.first - 1 + most);
    SELECT coalesce(min(r.seq), reach + 1) - 1 INTO target FROM records r
    WHERE r.seq BETWEEN l.first AND reach
        AND r.seq > l.last - keep_records
        AND l.bytes - r.bytes + octet_length(r.entry) <= keep_bytes
        AND r.at >= oldest;
    removed := target - l.first + 1;
    more := removed > 0 AND target = reach AND reach < l.last;
    IF removed > 0 THEN
        new_base := tag_at(l, target);
        INSERT INTO summary SELECT k, max(r.seq) FROM records r, unnest(r.routing) k
        WHERE r.seq BETWEEN l.first AND target GROUP BY k
        ON CONFLICT (key) DO UPDATE SET last = excluded.last;
        SELECT count(*) INTO found_records FROM records r WHERE r.seq BETWEEN l.first AND target;
        IF found_records < removed THEN
            -- Records are missing, and their receivers are unknown.
            l.floor := target;
            DELETE FROM summary;
        END IF;
        given_up := (SELECT count(*) FROM summary) - keep_keys;
        IF given_up > 0 THEN
            WITH gone AS (
                DELETE FROM summary s WHERE s.key IN (SELECT key FROM summary ORDER BY last, key LIMIT given_up) RETURNING s.last
            )
            SELECT greatest(l.floor, max(last)) INTO l.floor FROM gone;
        END IF;
        INSERT INTO tags SELECT r.seq, r.tag FROM records r WHERE r.seq BETWEEN l.first AND target ON CONFLICT DO NOTHING;
        DELETE FROM tags t WHERE t.seq <= target - keep_tags;
        DELETE FROM records r WHERE r.seq BETWEEN l.first AND target;
        UPDATE log SET first = target + 1, base_tag = new_base, floor = l.floor, clock = greatest(log.clock, clock_now);
    ELSE
        removed := 0;
        UPDATE log SET clock = clock_now WHERE log.clock < clock_now - 60000;
    END IF;
    RETURN NEXT;
END $$;
