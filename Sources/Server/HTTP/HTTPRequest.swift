import CanonicalJSON
import NIOHTTP1
import Refusals

/// What can be asked for over HTTP.
enum HTTPRoute: Int, Sendable, Hashable, CaseIterable {
  case live, ready, document, rpc, lineage, lineageBatch, events, metrics

  /// The methods that it is asked by.
  var methods: [HTTPMethod] {
    switch self {
    case .live, .ready, .document, .metrics: [.GET, .HEAD]
    case .events: [.GET]
    case .rpc, .lineage, .lineageBatch: [.POST]
    }
  }

  /// What requests for it are counted by: the path that it has unless OpenLineage's is put elsewhere, which is nobody's
  /// business who reads metrics.
  var label: String {
    switch self {
    case .live: "/health/live"
    case .ready: "/health/ready"
    case .document: "/openrpc.json"
    case .rpc: "/rpc"
    case .lineage: "/api/v1/lineage"
    case .lineageBatch: "/api/v1/lineage/batch"
    case .events: "/events"
    case .metrics: "/metrics"
    }
  }

  /// The route of a path, without its query.
  init?(path: Substring, lineagePath: String) {
    switch path {
    case "/health/live": self = .live
    case "/health/ready": self = .ready
    case "/openrpc.json": self = .document
    case "/rpc": self = .rpc
    case "/events": self = .events
    case "/metrics": self = .metrics
    default:
      if path.utf8.elementsEqual(lineagePath.utf8) {
        self = .lineage
      } else if path.utf8.elementsEqual((lineagePath + "/batch").utf8) {
        self = .lineageBatch
      } else {
        return nil
      }
    }
  }
}

/// Why a request is answered before anybody looks into its body.
struct HTTPProblem: Error, Sendable {
  let refusal: Refusal
  /// Nil for the status that the refusal's code has.
  var status: Int?
  var headers: [(name: String, value: String)] = []
  /// Whether it isn't clear any more where the next request begins.
  var isOfFraming = false

  /// Of a request that isn't right as HTTP.
  init(_ status: Int, _ message: String, headers: [(name: String, value: String)] = [], isOfFraming: Bool = false) {
    refusal = .invalidRequest(message)
    self.status = status
    self.headers = headers
    self.isOfFraming = isOfFraming
  }

  /// Of a request that is refused as a call on the socket would be.
  init(_ refusal: Refusal) {
    self.refusal = refusal
  }

  /// The answer.
  var response: HTTPResponse {
    var response = HTTPResponse(refusal, status: status)
    response.headers += headers
    return response
  }
}

/// A request as its head says it, in which nothing is wrong.
struct HTTPRequest: Sendable {
  /// How its body is written.
  enum Format: Sendable {
    case json, lines
  }

  let route: HTTPRoute
  let query: [(name: String, value: String)]
  let isHead: Bool
  /// The key or token that it comes with.
  let bearer: String?
  let userAgent: String?
  let format: Format
  /// Whether its body is compressed.
  let isCompressed: Bool
  /// The length of its body as it comes; nil where that isn't said.
  let length: Int?
  let expectsContinue: Bool
  /// The last event that a stream was told.
  let lastEventID: String?
  /// What is to be answered in, as its Accept headers say it; nil where it has none.
  let accept: String?
  /// Whether somebody else handed it on.
  let isForwarded: Bool
  /// Whether it names this machine as its host by a name or an address that is always this machine's.
  let isForLocalHost: Bool
  /// Whether the connection ends with its answer.
  let closes: Bool

  /// What a head asks for; nil where there is nothing at its path.
  static func route(of head: HTTPRequestHead, lineagePath: String) -> HTTPRoute? {
    HTTPRoute(path: target(head.uri).path, lineagePath: lineagePath)
  }

  /// Reads a head.
  /// - Throws: ``HTTPProblem``.
  init(_ head: HTTPRequestHead, lineagePath: String) throws(HTTPProblem) {
    let headers = head.headers
    length = try Self.length(head)
    if head.version.minor >= 1, headers["host"].count != 1 {
      throw HTTPProblem(400, "A request of HTTP/1.1 must have one Host header.", isOfFraming: true)
    }
    let target = Self.target(head.uri)
    guard let route = HTTPRoute(path: target.path, lineagePath: lineagePath) else {
      throw HTTPProblem(
        404,
        "Nothing is here. There are POST \(lineagePath), \(lineagePath)/batch and /rpc, and GET /events, "
          + "/openrpc.json, /metrics, /health/live and /health/ready.")
    }
    guard route.methods.contains(head.method) else {
      let allowed = route.methods.map(\.rawValue).joined(separator: ", ")
      throw HTTPProblem(405, "This is asked for by \(allowed).", headers: [("Allow", allowed)])
    }
    self.route = route
    query = try Self.query(target.query)
    isHead = head.method == .HEAD
    userAgent = headers["user-agent"].first.map { String(decoding: $0.utf8.prefix(500), as: UTF8.self) }
    bearer = try Self.bearer(headers["authorization"])
    format = try Self.format(headers["content-type"], route)
    isCompressed = try Self.isCompressed(headers["content-encoding"])
    let expectations = headers[canonicalForm: "expect"].map { $0.lowercased() }
    guard expectations.allSatisfy({ $0 == "100-continue" }) else {
      throw HTTPProblem(417, "Of what may be expected, only 100-continue is known.")
    }
    expectsContinue = !expectations.isEmpty && head.version.minor >= 1
    lastEventID = headers["last-event-id"].first
    let accepted = headers["accept"]
    accept = accepted.isEmpty ? nil : accepted.joined(separator: ",")
    isForwarded = ["forwarded", "x-forwarded-for", "x-forwarded-host", "via"].contains { headers.contains(name: $0) }
    isForLocalHost = Self.isLocal(headers["host"].first ?? "localhost")
    if route == .events, head.version.minor < 1 {
      throw HTTPProblem(505, "Events are told over HTTP/1.1.")
    }
    // Behind a request that wants another protocol the decoder reads nothing more.
    closes = !head.isKeepAlive || headers.contains(name: "upgrade")
  }

  private static func isLocal(_ host: String) -> Bool {
    var name = host.lowercased()[...]
    if let colon = name.lastIndex(of: ":"), name[name.index(after: colon)...].allSatisfy(\.isNumber),
      name.hasPrefix("[") == (name[..<colon].last == "]")
    {
      name = name[..<colon]
    }
    if ["localhost", "[::1]"].contains(name) { return true }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
  }

  /// The length of the body; nil where it comes in chunks. What can be read in two ways is refused: who stands before
  /// the server may read it in the other (RFC 9112 §6.1, §6.3).
  private static func length(_ head: HTTPRequestHead) throws(HTTPProblem) -> Int? {
    let lengths = head.headers["content-length"]
    let codings = head.headers[canonicalForm: "transfer-encoding"]
    guard codings.isEmpty || lengths.isEmpty else {
      throw HTTPProblem(400, "Content-Length and Transfer-Encoding exclude each other.", isOfFraming: true)
    }
    guard codings.isEmpty || (codings.count == 1 && codings[0].lowercased() == "chunked") else {
      throw HTTPProblem(501, "Of transfer codings, only chunked is known.", isOfFraming: true)
    }
    guard codings.isEmpty || head.version.minor >= 1 else {
      throw HTTPProblem(400, "HTTP/1.0 has no Transfer-Encoding.", isOfFraming: true)
    }
    if !codings.isEmpty { return nil }
    guard let first = lengths.first else { return 0 }
    guard lengths.count == 1, let length = Int(first), length >= 0, first.utf8.allSatisfy({ 0x30...0x39 ~= $0 }) else {
      throw HTTPProblem(400, "Content-Length must be one number.", isOfFraming: true)
    }
    return length
  }

  /// The path and the query of a request's target, in origin or absolute form (RFC 9112 §3.2).
  private static func target(_ uri: String) -> (path: Substring, query: Substring) {
    var rest = uri[...]
    for scheme in ["http://", "https://"] where uri.lowercased().hasPrefix(scheme) {
      let host = uri.dropFirst(scheme.count)
      rest = host.firstIndex(of: "/").map { host[$0...] } ?? "/"
    }
    guard let mark = rest.firstIndex(of: "?") else { return (rest, "") }
    return (rest[..<mark], rest[rest.index(after: mark)...])
  }

  private static func query(_ text: Substring) throws(HTTPProblem) -> [(name: String, value: String)] {
    var found: [(name: String, value: String)] = []
    for pair in text.split(separator: "&") {
      let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = decoded(halves[0]), let value = decoded(halves.count == 2 ? halves[1] : "") else {
        throw HTTPProblem(400, "The query is not percent-encoded UTF-8.")
      }
      found.append((name, value))
    }
    return found
  }

  private static func decoded(_ text: Substring) -> String? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "+"): bytes.append(0x20)
      case UInt8(ascii: "%"):
        guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
          return nil
        }
        bytes.append(value)
        rest = rest.dropFirst(2)
      default: bytes.append(byte)
      }
    }
    return String(validating: bytes, as: UTF8.self)
  }

  private static func bearer(_ headers: [String]) throws(HTTPProblem) -> String? {
    guard let header = headers.first else { return nil }
    let words = header.split(separator: " ")
    guard headers.count == 1, words.count == 2, words[0].lowercased() == "bearer",
      words[1].utf8.allSatisfy({ 0x21...0x7E ~= $0 })
    else {
      throw HTTPProblem(
        .unauthenticated("Say who asks by one header: Authorization: Bearer, with an API key or an OpenID token."))
    }
    return String(words[1])
  }

  private static func format(_ headers: [String], _ route: HTTPRoute) throws(HTTPProblem) -> Format {
    guard route.methods == [.POST], let header = headers.first else { return .json }
    let parts = header.split(separator: ";").map { $0.trimmingPrefix(while: \.isWhitespace).lowercased() }
    let type = parts.first.map { $0.prefix { !$0.isWhitespace } } ?? ""
    let isText = parts.dropFirst().allSatisfy { part in
      !part.hasPrefix("charset=") || part.contains("utf-8") || part.contains("utf8") || part.contains("us-ascii")
    }
    if headers.count == 1, isText {
      if type == "application/json" || type.hasPrefix("application/") && type.hasSuffix("+json") { return .json }
      if type == "application/json-rpc", route == .rpc { return .json }
      if ["application/x-ndjson", "application/ndjson", "application/jsonl"].contains(type), route == .lineageBatch {
        return .lines
      }
    }
    let also = route == .lineageBatch ? " or application/x-ndjson" : ""
    throw HTTPProblem(415, "The body must be application/json\(also), in UTF-8; Content-Type says something else.")
  }

  private static func isCompressed(_ headers: [String]) throws(HTTPProblem) -> Bool {
    guard let header = headers.first else { return false }
    let coding = header.trimmingPrefix(while: \.isWhitespace).lowercased()
    if headers.count == 1 {
      if coding == "identity" { return false }
      if ["gzip", "x-gzip", "deflate"].contains(coding) { return true }
    }
    throw HTTPProblem(
      415, "Of content codings, gzip, deflate and identity are known, one at a time.",
      headers: [("Accept-Encoding", "gzip, deflate, identity")])
  }
}
