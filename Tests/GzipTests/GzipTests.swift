import Foundation
import Gzip
import TestBasics
import Testing

struct GzipTests {
  /// What the program gzip makes of bytes.
  private func gzip(_ bytes: [UInt8], _ options: String = "-9") async throws -> [UInt8] {
    let folder = try TemporaryFolder()
    let file = folder.path + "/plain"
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    let result = try await runProgram(["gzip", options, file], in: folder)
    try #require(result.status == .code(0), "\(result.errors)")
    let packed = try Data(contentsOf: URL(fileURLWithPath: file + ".gz"))
    try await folder.destroy()
    return Array(packed)
  }

  @Test func `what gzip packs is read, one member or several`() async throws {
    let text = Array(String(repeating: #"{"eventType":"START"}"# + "\n", count: 5000).utf8)
    let packed = try await gzip(text)
    #expect(packed.count < text.count / 10)
    #expect(try Gzip.inflate(packed, atMost: text.count) == text)
    #expect(try Gzip.inflate(packed + packed, atMost: 2 * text.count) == text + text)
    #expect(try Gzip.inflate(try await gzip([]), atMost: 0).isEmpty)
    // A zlib stream with one stored block: "abc".
    let zlib: [UInt8] = [0x78, 0x01, 0x01, 3, 0, 0xFC, 0xFF, 0x61, 0x62, 0x63, 0x02, 0x4D, 0x01, 0x27]
    #expect(try Gzip.inflate(zlib, atMost: 3) == Array("abc".utf8))
  }

  @Test func `a bomb is read no further than the limit`() async throws {
    let packed = try await gzip([UInt8](repeating: 0, count: 32 << 20))
    #expect(packed.count < 64 << 10)
    #expect(throws: GzipError.tooLong(limit: 1 << 20)) { try Gzip.inflate(packed, atMost: 1 << 20) }
    #expect(throws: GzipError.tooLong(limit: 0)) { try Gzip.inflate(packed, atMost: 0) }
  }

  @Test func `what is cut off, damaged, followed by something else, or no gzip at all is refused`() async throws {
    let text = Array((0..<2000).map { "line \($0)" }.joined(separator: "\n").utf8)
    let packed = try await gzip(text)
    for end in [0, 1, 5, 10, packed.count / 2, packed.count - 8, packed.count - 1] {
      #expect(throws: GzipError.damaged, "\(end)") { try Gzip.inflate(packed[..<end], atMost: 1 << 20) }
    }
    var changed = packed
    changed[packed.count - 6] ^= 1
    #expect(throws: GzipError.damaged) { try Gzip.inflate(changed, atMost: 1 << 20) }
    #expect(throws: GzipError.damaged) { try Gzip.inflate(packed + Array("{}".utf8), atMost: 1 << 20) }
    #expect(throws: GzipError.damaged) { try Gzip.inflate(Array(#"{"a":1}"#.utf8), atMost: 1 << 20) }
  }
}
