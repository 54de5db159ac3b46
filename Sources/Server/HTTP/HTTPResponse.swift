import CanonicalJSON
import NIOConcurrencyHelpers
import NIOHTTP1
import Refusals

#if canImport(Glibc)
  import Glibc
#endif

/// One answer over HTTP, before it is bytes.
struct HTTPResponse: Sendable {
  let status: Int
  var headers: [(name: String, value: String)] = []
  var body: [UInt8] = []

  /// An answer without a body.
  init(_ status: Int, headers: [(name: String, value: String)] = []) {
    self.status = status
    self.headers = headers
  }

  /// An answer with a body of a media type.
  init(_ status: Int, _ type: String, _ body: [UInt8]) {
    self.status = status
    headers = [("Content-Type", type), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
    self.body = body
  }

  /// An answer with canonical JSON.
  init(_ status: Int, json: [UInt8]) {
    self.init(status, "application/json", json)
  }

  /// A refusal, as Marquez tells errors: `{"code":422,"message":…,"details":…}`, where the details are what `data`
  /// is on the socket.
  /// - Parameter status: Nil for the one that the refusal's code has.
  init(_ refusal: Refusal, status: Int? = nil) {
    var details = refusal.data
    details["type"] = .string(refusal.code.rawValue)
    let status = status ?? refusal.code.httpStatus
    let body: JSON = [
      "code": .integer(Int64(status)), "details": .object(details), "message": .string(refusal.message),
    ]
    self.init(status, json: body.canonicalBytes)
    switch status {
    case 401: headers.append(("WWW-Authenticate", "Bearer"))
    case 503: headers.append(("Retry-After", "1"))
    default: break
    }
  }

  /// Appends the bytes.
  /// - Parameters:
  ///   - closes: Whether the connection ends with it.
  ///   - isHead: Whether the request was HEAD, to which no body is sent.
  func write(closes: Bool, isHead: Bool = false, into output: inout [UInt8]) {
    writeHead(closes: closes, length: body.count, into: &output)
    if !isHead { output.append(contentsOf: body) }
  }

  /// Appends the head only; without a length the body comes in chunks.
  func writeHead(closes: Bool, length: Int?, into output: inout [UInt8]) {
    let reason = HTTPResponseStatus(statusCode: status).reasonPhrase
    output.append(contentsOf: "HTTP/1.1 \(status) \(reason)\r\nDate: \(Self.date())\r\n".utf8)
    for (name, value) in headers { output.append(contentsOf: "\(name): \(value)\r\n".utf8) }
    if let length {
      // RFC 9110 §8.6: not with a status that has no body.
      if status != 204 { output.append(contentsOf: "Content-Length: \(length)\r\n".utf8) }
    } else {
      output.append(contentsOf: "Transfer-Encoding: chunked\r\n".utf8)
    }
    if closes { output.append(contentsOf: "Connection: close\r\n".utf8) }
    output.append(contentsOf: "\r\n".utf8)
  }

  /// One chunk of a body that comes in chunks (RFC 9112 §7.1).
  static func writeChunk(_ bytes: [UInt8], into output: inout [UInt8]) {
    guard !bytes.isEmpty else { return }
    output.append(contentsOf: "\(String(bytes.count, radix: 16))\r\n".utf8)
    output.append(contentsOf: bytes)
    output.append(contentsOf: "\r\n".utf8)
  }

  /// The date of the last answer: those of one second share it.
  private static let lastDate = NIOLockedValueBox((seconds: 0, text: ""))

  /// Now, as HTTP writes dates (RFC 9110 §5.6.7).
  private static func date() -> String {
    let seconds = time(nil)
    return lastDate.withLockedValue { last in
      if last.seconds != seconds { last = (seconds, date(seconds)) }
      return last.text
    }
  }

  private static func date(_ seconds: time_t) -> String {
    var seconds = seconds
    var parts = tm()
    gmtime_r(&seconds, &parts)
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) \(1900 + parts.tm_year) "
      + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
  }
}

extension Refusal.Code {
  /// The status of an answer over HTTP that is this refusal. Producers of OpenLineage try again after 503, and after no
  /// 4xx: so what is transient is 503, never 429.
  var httpStatus: Int {
    switch self {
    case .parseError, .invalidRequest: 400
    case .unauthenticated: 401
    case .forbidden: 403
    case .methodNotFound, .notFound: 404
    case .conflict, .held: 409
    case .gone: 410
    case .tooLarge: 413
    case .invalidParams: 422
    case .internal: 500
    case .overloaded, .stale, .unavailable: 503
    }
  }
}
