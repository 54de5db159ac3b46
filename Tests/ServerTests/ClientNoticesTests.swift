import Logging
import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import Server

struct ClientNoticesTests {
  @Test func `a few lines of each kind a minute are written, and how many more there were`() {
    let lines = NIOLockedValueBox<[String]>([])
    let logger = Logger(label: "t") { label in
      LineLogHandler(label: label, format: .text, level: .info, isJournal: true) { line in
        lines.withLockedValue { $0.append(line) }
      }
    }
    let notices = ClientNotices(logger: logger)
    let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    for _ in 0..<25 { notices.tell(.call, now: start, ["code": "conflict"]) }
    notices.tell(.line, now: start, ["peer": "10.0.0.1"])
    #expect(
      lines.withLockedValue { $0 }
        == Array(repeating: "<5>notice t: a call was refused code=conflict\n", count: ClientNotices.most)
        + ["<5>notice t: a line was too long and was not read peer=10.0.0.1\n"])
    notices.flush(now: start + .seconds(59))
    #expect(lines.withLockedValue { $0.count } == ClientNotices.most + 1)
    notices.flush(now: start + .seconds(60))
    #expect(lines.withLockedValue { $0.last } == "<5>notice t: a call was refused, 15 times more within a minute\n")
    // The next minute begins with the next one.
    notices.tell(.call, now: start + .seconds(61), ["code": "conflict"])
    #expect(lines.withLockedValue { $0.last } == "<5>notice t: a call was refused code=conflict\n")
    for _ in 0..<11 { notices.tell(.call, now: start + .seconds(62), ["code": "conflict"]) }
    notices.tell(.call, now: start + .seconds(200), ["code": "gone"])
    #expect(
      lines.withLockedValue { Array($0.suffix(2)) } == [
        "<5>notice t: a call was refused, 2 times more within a minute\n",
        "<5>notice t: a call was refused code=gone\n",
      ])
  }
}
