import CanonicalJSON
import EventLog
import Queries
import Refusals

/// Records of the log as server-sent events (WHATWG HTML §9.2), in chunks of a body over HTTP.
enum EventStream {
  /// Appends records in one chunk. The id of each is its position, by which a client that comes back says where to go
  /// on.
  static func write(_ records: [LogRecord], into output: inout [UInt8]) {
    var bytes: [UInt8] = []
    for record in records {
      bytes.append(contentsOf: "id: \(record.position)\nevent: log.event\ndata: ".utf8)
      // Canonical JSON has no line breaks.
      QueryEngine.spliced(record, into: &bytes)
      bytes.append(contentsOf: "\n\n".utf8)
    }
    HTTPResponse.writeChunk(bytes, into: &output)
  }

  /// Appends why there will be no more, and the last chunk.
  static func end(_ refusal: Refusal, into output: inout [UInt8]) {
    var bytes = Array("event: log.ended\ndata: ".utf8)
    refusal.json.writeCanonical(into: &bytes)
    bytes.append(contentsOf: "\n\n".utf8)
    HTTPResponse.writeChunk(bytes, into: &output)
    output.append(contentsOf: "0\r\n\r\n".utf8)
  }
}
