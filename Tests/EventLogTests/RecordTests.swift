import CanonicalJSON
import EventLog
import Testing

/// Records whose bytes were changed on the disk.
@Suite struct RecordTests {
  @Test(arguments: ["-1", "1.5", "\"7\"", "18446744073709551616", "null"])
  func `a body that names no position that dropped it is damaged`(_ stored: String) {
    let record = LogRecord(position: 7, header: [], body: Array(#"{"$dropped":\#(stored)}"#.utf8))
    #expect(throws: EventLogError.self) { try record.parsedBody() }
  }

  @Test func `a body that an event dropped is one without changes`() throws {
    let body = try LogRecord(position: 7, header: [], body: Array(#"{"$dropped":9}"#.utf8)).parsedBody()
    #expect(body.dropped == 9 && body.set.isEmpty)
  }
}
