-- The data dictionary. Times are nanoseconds since the epoch; NULL = has not happened. Trees are named by the hash of their root (store/trees.py).

-- ============================================================ content (store/blobs.py, store/maps.py)
CREATE TABLE IF NOT EXISTS chunk (          -- where the bytes of a chunk lie
    hash    BLOB PRIMARY KEY,               -- BLAKE2b-256 of the bytes
    pack    INTEGER NOT NULL,               -- packs/NNNNNNNN.pack
    offset  INTEGER NOT NULL,
    length  INTEGER NOT NULL,
    crc     INTEGER                         -- CRC-32 of the bytes, of long chunks: quicker to compare than the hash
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS node (           -- a node of a persistent map
    id      INTEGER PRIMARY KEY,
    hash    BLOB NOT NULL UNIQUE,           -- BLAKE2b-256 of data
    data    BLOB NOT NULL                   -- msgpack
);

CREATE TABLE IF NOT EXISTS setting (        -- small facts about this state folder
    key     TEXT PRIMARY KEY,
    value   TEXT NOT NULL
);

-- ============================================================ versioned data (pfs/)
CREATE TABLE IF NOT EXISTS project (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL DEFAULT '',
    metadata    TEXT NOT NULL DEFAULT '{}', -- JSON object, string to string
    created     INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS repo (
    id          INTEGER PRIMARY KEY,
    project     TEXT NOT NULL,
    name        TEXT NOT NULL,
    type        TEXT NOT NULL,              -- user, meta, spec
    description TEXT NOT NULL DEFAULT '',
    metadata    TEXT NOT NULL DEFAULT '{}',
    created     INTEGER NOT NULL,
    UNIQUE (project, name, type)
);

CREATE TABLE IF NOT EXISTS commits (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,  -- grows with time: the order of creation
    repo        INTEGER NOT NULL REFERENCES repo ON DELETE CASCADE,
    set_id      TEXT NOT NULL,              -- the commit set's id, and so the commit's
    branch      TEXT NOT NULL,              -- the branch it was made on
    parent      INTEGER REFERENCES commits ON DELETE SET NULL,
    origin      INTEGER NOT NULL,           -- pfs_v2.OriginKind: 1 USER, 2 AUTO, 3 FSCK
    description TEXT NOT NULL DEFAULT '',
    error       TEXT NOT NULL DEFAULT '',
    metadata    TEXT NOT NULL DEFAULT '{}',
    root        BLOB,                       -- what is in it; NULL = empty
    base        BLOB,                       -- what it was built on: its parent's root, or that of the nearest ancestor without an error
    written     INTEGER NOT NULL DEFAULT 0, -- bytes sent for it while it was open
    size        INTEGER NOT NULL DEFAULT 0, -- bytes, as shown once finished
    started     INTEGER NOT NULL,
    finishing   INTEGER,
    finished    INTEGER,
    compacting  INTEGER,                    -- durations, ns; NULL = not shown
    validating  INTEGER,
    forgotten   INTEGER NOT NULL DEFAULT 0, -- 1: its content was given up, its place in history stays
    UNIQUE (repo, set_id)
);
CREATE INDEX IF NOT EXISTS commits_of_set ON commits (set_id);
CREATE INDEX IF NOT EXISTS commits_by_parent ON commits (parent);
CREATE INDEX IF NOT EXISTS commits_open ON commits (finished) WHERE finished IS NULL;

CREATE TABLE IF NOT EXISTS touched (        -- files that a commit wrote or deleted, and that are after it as they were before
    commits INTEGER NOT NULL REFERENCES commits ON DELETE CASCADE,
    path    TEXT NOT NULL,
    PRIMARY KEY (commits, path)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS commit_provenance (  -- direct provenance
    downstream  INTEGER NOT NULL REFERENCES commits ON DELETE CASCADE,
    upstream    INTEGER NOT NULL REFERENCES commits ON DELETE CASCADE,
    PRIMARY KEY (downstream, upstream)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS commit_subvenance ON commit_provenance (upstream, downstream);

CREATE TABLE IF NOT EXISTS branch (
    id          INTEGER PRIMARY KEY,
    repo        INTEGER NOT NULL REFERENCES repo ON DELETE CASCADE,
    name        TEXT NOT NULL,
    head        INTEGER REFERENCES commits,
    trigger     TEXT,                       -- JSON of pfs_v2.Trigger
    metadata    TEXT NOT NULL DEFAULT '{}',
    created     INTEGER NOT NULL,
    updated     INTEGER NOT NULL,
    UNIQUE (repo, name)
);
CREATE INDEX IF NOT EXISTS branch_by_head ON branch (head);
CREATE INDEX IF NOT EXISTS branches_triggered ON branch (repo) WHERE trigger IS NOT NULL;

CREATE TABLE IF NOT EXISTS branch_provenance (  -- direct provenance
    downstream  INTEGER NOT NULL REFERENCES branch ON DELETE CASCADE,
    upstream    INTEGER NOT NULL REFERENCES branch ON DELETE CASCADE,
    never       INTEGER NOT NULL DEFAULT 0, -- propagation spec: a new upstream head makes no commit here
    position    INTEGER NOT NULL,           -- as given
    PRIMARY KEY (downstream, upstream)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS branch_subvenance ON branch_provenance (upstream, downstream);

CREATE TABLE IF NOT EXISTS fileset (        -- changes without a commit, kept for a while
    id          TEXT PRIMARY KEY,
    root        BLOB,                       -- what it adds
    deletes     BLOB,                       -- what it deletes before: msgpack of ([], [(file, tag)])
    expires     INTEGER NOT NULL,
    first       BLOB                        -- what the first of the sets adds that it is composed of; NULL: it is one
);

CREATE TABLE IF NOT EXISTS cache (          -- values that workers keep between runs
    key         TEXT PRIMARY KEY,
    value       BLOB NOT NULL,              -- google.protobuf.Any
    tag         TEXT NOT NULL
);

-- ============================================================ transactions (wire/transaction.py)
CREATE TABLE IF NOT EXISTS transactions (
    id          TEXT PRIMARY KEY,
    started     INTEGER NOT NULL,
    version     INTEGER NOT NULL DEFAULT 0, -- number of appends
    info        BLOB NOT NULL               -- transaction_v2.TransactionInfo as it came, for the echo
);

-- ============================================================ pipelines (pps/)
CREATE TABLE IF NOT EXISTS pipeline (       -- one row for each version
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    project         TEXT NOT NULL,
    name            TEXT NOT NULL,
    version         INTEGER NOT NULL,
    current         INTEGER NOT NULL,       -- 1 for the newest version
    spec_commit     TEXT NOT NULL,          -- set id
    type            INTEGER NOT NULL,       -- pps_v2.PipelineInfo.PipelineType
    state           INTEGER NOT NULL,       -- pps_v2.PipelineState
    reason          TEXT NOT NULL DEFAULT '',
    stopped         INTEGER NOT NULL DEFAULT 0,
    output_branch   TEXT NOT NULL,
    parallelism     INTEGER NOT NULL,
    salt            TEXT NOT NULL,
    user_spec       TEXT NOT NULL,          -- JSON as it came
    effective_spec  TEXT NOT NULL,          -- JSON, camelCase
    details         TEXT NOT NULL,          -- JSON of pps_v2.PipelineInfo.Details, input defaults filled in
    metadata        TEXT NOT NULL DEFAULT '{}',
    created         INTEGER NOT NULL,       -- of this version
    updated         INTEGER NOT NULL,
    UNIQUE (project, name, version)
);

CREATE UNIQUE INDEX IF NOT EXISTS pipeline_current ON pipeline (project, name) WHERE current = 1;

CREATE TABLE IF NOT EXISTS job (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    project         TEXT NOT NULL,
    pipeline        TEXT NOT NULL,
    set_id          TEXT NOT NULL,
    version         INTEGER NOT NULL,       -- of the pipeline
    state           INTEGER NOT NULL,       -- pps_v2.JobState
    reason          TEXT NOT NULL DEFAULT '',
    created         INTEGER NOT NULL,
    started         INTEGER,
    finished        INTEGER,
    restart         INTEGER NOT NULL DEFAULT 0,
    data_processed  INTEGER NOT NULL DEFAULT 0,
    data_skipped    INTEGER NOT NULL DEFAULT 0,
    data_total      INTEGER NOT NULL DEFAULT 0,
    data_failed     INTEGER NOT NULL DEFAULT 0,
    data_recovered  INTEGER NOT NULL DEFAULT 0,
    stats           TEXT NOT NULL DEFAULT '{}', -- JSON: times in ns, bytes, summed over datums
    datums          BLOB,                   -- root of the map datum id -> record; NULL until worked out
    UNIQUE (project, pipeline, set_id)
);
CREATE INDEX IF NOT EXISTS jobs_of_set ON job (set_id);
CREATE INDEX IF NOT EXISTS jobs_of_pipeline ON job (project, pipeline, id);
CREATE INDEX IF NOT EXISTS jobs_unfinished ON job (state) WHERE state NOT IN (4, 5, 6, 9);

CREATE TABLE IF NOT EXISTS secret (
    name        TEXT PRIMARY KEY,
    type        TEXT NOT NULL,
    data        TEXT NOT NULL,              -- JSON: key to base64
    created     INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS defaults (
    project     TEXT PRIMARY KEY,           -- '' = the cluster's
    document    TEXT NOT NULL,              -- JSON
    created     INTEGER NOT NULL
);

-- ============================================================ running jobs (pps/datums.py, scheduler/)
CREATE TABLE IF NOT EXISTS job_plan (       -- what a job's datums were worked out from: equal plans, equal datums
    job     INTEGER PRIMARY KEY REFERENCES job ON DELETE CASCADE,
    plan    TEXT NOT NULL                   -- JSON: input, salt, roots of the input commits
);

CREATE TABLE IF NOT EXISTS datum_done (     -- datums of a running job that are over, until the job is
    job     INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,
    id      BLOB NOT NULL,
    record  BLOB NOT NULL,                  -- as in the map job.datums
    PRIMARY KEY (job, id)
) WITHOUT ROWID;

-- ============================================================ logs (pps/logs.py)
CREATE TABLE IF NOT EXISTS log (
    id          INTEGER PRIMARY KEY,
    project     TEXT NOT NULL,
    pipeline    TEXT NOT NULL,
    job         TEXT NOT NULL DEFAULT '',
    datum       TEXT NOT NULL DEFAULT '',
    worker      TEXT NOT NULL DEFAULT '',
    user        INTEGER NOT NULL DEFAULT 0,
    master      INTEGER NOT NULL DEFAULT 0,
    time        INTEGER NOT NULL,
    message     TEXT NOT NULL,
    data        TEXT NOT NULL DEFAULT ''    -- JSON: [[path, hex hash], ...] of the datum's files
);
CREATE INDEX IF NOT EXISTS log_of_pipeline ON log (project, pipeline, job);
