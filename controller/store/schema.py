"""The shape of the database, as numbered steps; a step that was released is never edited.

`STRICT` makes SQLite refuse a value of the wrong type, and the triggers make it refuse what the code above
never asks for: changing or removing a pulse or an audit entry. Times of day are text in RFC 3339, UTC,
microseconds, so that they sort as text.
"""

APPLICATION_ID = 0x70696361
"""The letters "pica", in the file's header: tells our database from any other SQLite file."""

OLDEST_SQLITE = (3, 37, 0)
"""The first SQLite with STRICT tables (2021-11)."""

_CORE = (
    """
    CREATE TABLE device (
        serial TEXT PRIMARY KEY,
        model TEXT NOT NULL,
        firmware TEXT NOT NULL,
        simulated INTEGER NOT NULL CHECK (simulated IN (0, 1)),
        identity TEXT NOT NULL,
        baseline_pulse INTEGER NOT NULL CHECK (baseline_pulse >= 0),
        first_seen TEXT NOT NULL,
        last_seen TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE treatment_session (
        ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        device_serial TEXT NOT NULL REFERENCES device (serial),
        operator TEXT NOT NULL,
        plan TEXT NOT NULL,
        plan_sha256 TEXT NOT NULL CHECK (length(plan_sha256) = 64),
        state TEXT NOT NULL CHECK (state IN ('open', 'interrupted', 'done', 'abandoned')),
        planned_pulses INTEGER NOT NULL CHECK (planned_pulses > 0),
        delivered_pulses INTEGER NOT NULL DEFAULT 0,
        unknown_pulses INTEGER NOT NULL DEFAULT 0 CHECK (unknown_pulses <= delivered_pulses),
        energy_mj REAL NOT NULL DEFAULT 0,
        dose_j_cm2 REAL NOT NULL DEFAULT 0,
        started TEXT NOT NULL,
        ended TEXT
    ) STRICT
    """,
    "CREATE UNIQUE INDEX one_open_session ON treatment_session (device_serial) WHERE state = 'open'",
    """
    CREATE TABLE pulse (
        device_serial TEXT NOT NULL REFERENCES device (serial),
        pulse_number INTEGER NOT NULL CHECK (pulse_number > 0),
        device_boot INTEGER NOT NULL,
        permit_id INTEGER NOT NULL,
        series INTEGER NOT NULL,
        device_time_us INTEGER NOT NULL,
        set_energy_mj REAL NOT NULL,
        monitor_a_mj REAL,
        monitor_b_mj REAL,
        pulse_width_ps REAL,
        wavelength_nm INTEGER NOT NULL,
        mode_width_ps INTEGER NOT NULL,
        spot_mm REAL NOT NULL,
        handpiece TEXT NOT NULL,
        flags TEXT NOT NULL,
        aperture INTEGER NOT NULL CHECK (aperture IN (0, 1)),
        unknown INTEGER NOT NULL CHECK (unknown IN (0, 1)),
        fluence_j_cm2 REAL NOT NULL,
        session_id TEXT REFERENCES treatment_session (id),
        wall_time TEXT NOT NULL,
        mono_us INTEGER NOT NULL,
        rep_rate_hz REAL,
        lamp_v REAL,
        coolant_c REAL,
        PRIMARY KEY (device_serial, pulse_number)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX pulse_of_session ON pulse (session_id, pulse_number) WHERE session_id IS NOT NULL",
    """
    CREATE TRIGGER pulse_is_never_changed BEFORE UPDATE ON pulse
    BEGIN SELECT RAISE(ABORT, 'a recorded pulse is never changed'); END
    """,
    """
    CREATE TRIGGER pulse_is_never_removed BEFORE DELETE ON pulse
    BEGIN SELECT RAISE(ABORT, 'a recorded pulse is never removed'); END
    """,
    """
    CREATE TABLE audit (
        idx INTEGER PRIMARY KEY,
        prev_hash TEXT NOT NULL,
        wall_time TEXT NOT NULL,
        mono_us INTEGER NOT NULL,
        kind TEXT NOT NULL,
        actor TEXT NOT NULL,
        body TEXT NOT NULL,
        hash TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TRIGGER audit_only_grows BEFORE INSERT ON audit
    WHEN NEW.idx IS NOT (SELECT coalesce(max(idx) + 1, 0) FROM audit)
    BEGIN SELECT RAISE(ABORT, 'the audit only grows at its end'); END
    """,
    """
    CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'an audit entry is never changed'); END
    """,
    """
    CREATE TRIGGER audit_is_never_removed BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'an audit entry is never removed'); END
    """,
    """
    CREATE TABLE event (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        wall_time TEXT NOT NULL,
        mono_us INTEGER NOT NULL,
        kind TEXT NOT NULL,
        severity TEXT NOT NULL,
        actor TEXT NOT NULL,
        text TEXT NOT NULL,
        body TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE command (
        ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        actor TEXT NOT NULL,
        body TEXT NOT NULL,
        begun TEXT NOT NULL,
        begun_mono_us INTEGER NOT NULL,
        outcome TEXT CHECK (outcome IN ('done', 'refused', 'failed', 'uncertain')),
        detail TEXT,
        ended TEXT,
        settled_how TEXT,
        settled_by TEXT,
        settled TEXT
    ) STRICT
    """,
    """
    CREATE INDEX unresolved_command ON command (ordinal)
    WHERE settled IS NULL AND (outcome IS NULL OR outcome = 'uncertain')
    """,
    """
    CREATE TABLE calibration (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        device_serial TEXT NOT NULL REFERENCES device (serial),
        wavelength_nm INTEGER NOT NULL,
        operator TEXT NOT NULL,
        points TEXT NOT NULL,
        calibrated TEXT NOT NULL,
        expires TEXT NOT NULL,
        device_boot INTEGER NOT NULL,
        device_time_us INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE incident (
        ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        wall_time TEXT NOT NULL,
        mono_us INTEGER NOT NULL,
        first_cause TEXT NOT NULL,
        body BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        topic TEXT NOT NULL,
        seq INTEGER NOT NULL,
        payload TEXT NOT NULL,
        created TEXT NOT NULL
    ) STRICT
    """,
    "CREATE TABLE topic_seq (topic TEXT PRIMARY KEY, last_seq INTEGER NOT NULL) STRICT",
)

_OPERATORS = (
    """
    CREATE TABLE operator (
        name TEXT PRIMARY KEY,
        role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'service', 'administrator')),
        password_hash TEXT NOT NULL,
        active INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1)),
        failed_logins INTEGER NOT NULL DEFAULT 0,
        created TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE training (
        operator TEXT NOT NULL REFERENCES operator (name),
        wavelength_nm INTEGER NOT NULL,
        expires TEXT NOT NULL,
        PRIMARY KEY (operator, wavelength_nm)
    ) STRICT
    """,
)

# Every pulse from the baseline up to here has a record; pulses are never removed, so this holds for ever.
_COMPLETE = ("ALTER TABLE device ADD COLUMN complete_to INTEGER NOT NULL DEFAULT 0",)

# Courses: whose session it was and for what, as columns of their own, and what followed. A subject is a
# pseudonym, kept in capitals, so that p-7 and P-7 are one. Effects and their ends are only ever added.
_COURSES = (
    "ALTER TABLE treatment_session ADD COLUMN subject TEXT",
    "ALTER TABLE treatment_session ADD COLUMN indication TEXT",
    """
    UPDATE treatment_session SET
        subject = upper(CAST(json_extract(plan, '$.subject') AS TEXT)),
        indication = CAST(json_extract(plan, '$.indication') AS TEXT)
    """,
    "CREATE INDEX session_of_subject ON treatment_session (subject, ordinal) WHERE subject IS NOT NULL",
    """
    CREATE TABLE adverse_effect (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        session_id TEXT NOT NULL REFERENCES treatment_session (id),
        kind TEXT NOT NULL,
        severity INTEGER NOT NULL CHECK (severity BETWEEN 0 AND 10),
        onset TEXT NOT NULL,
        actor TEXT NOT NULL,
        recorded TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX effect_of_session ON adverse_effect (session_id)",
    """
    CREATE TABLE effect_resolution (
        effect_id INTEGER PRIMARY KEY REFERENCES adverse_effect (id),
        resolved TEXT NOT NULL,
        actor TEXT NOT NULL,
        recorded TEXT NOT NULL
    ) STRICT
    """,
    *(
        f"""
        CREATE TRIGGER {table}_is_never_{done} BEFORE {what} ON {table}
        BEGIN SELECT RAISE(ABORT, 'a recorded adverse effect is never {done}'); END
        """
        for table in ("adverse_effect", "effect_resolution")
        for what, done in (("UPDATE", "changed"), ("DELETE", "removed"))
    ),
)

# That an adverse effect was taken back, and which one, recorded after it, stands instead.
_CORRECTIONS = (
    """
    CREATE TABLE effect_correction (
        effect_id INTEGER PRIMARY KEY REFERENCES adverse_effect (id),
        reason TEXT NOT NULL,
        replaced_by INTEGER UNIQUE REFERENCES adverse_effect (id) CHECK (replaced_by > effect_id),
        actor TEXT NOT NULL,
        recorded TEXT NOT NULL
    ) STRICT
    """,
    *(
        f"""
        CREATE TRIGGER effect_correction_is_never_{done} BEFORE {what} ON effect_correction
        BEGIN SELECT RAISE(ABORT, 'a recorded correction is never {done}'); END
        """
        for what, done in (("UPDATE", "changed"), ("DELETE", "removed"))
    ),
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_CORE, _OPERATORS, _COMPLETE, _COURSES, _CORRECTIONS)
"""Step n (from 1) leads from schema n - 1 to schema n."""
