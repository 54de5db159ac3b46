import CanonicalJSON
import EventLog
import Testing

/// Records whose bytes were changed on the disk.
@Suite struct RecordTests {
  @Test(arguments: ["9", "-1", "1.5", "\"7\"", "18446744073709551616", "null"])
  func `a body that claims to have been dropped is damaged`(_ stored: String) {
    let record = LogRecord(position: 7, header: [], body: Array(#"{"$dropped":\#(stored)}"#.utf8))
    #expect(throws: EventLogError.self) { try record.parsedBody() }
  }
}
