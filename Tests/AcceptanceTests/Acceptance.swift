import TestBasics
import Testing

/// What the architecture page promises, kept against the program itself: real sockets, a real PostgreSQL, real signals.
/// One after another, since each test takes the whole machine. `DAYBOOK_THOROUGH=1` runs the full sizes,
/// `DAYBOOK_KEEP=1` leaves the folders, `DAYBOOK_BINARY` names another program.
@Suite(.serialized, .needsPrograms)
enum Acceptance {}
