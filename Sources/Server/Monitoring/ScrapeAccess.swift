import Access
import Files
import NIOConcurrencyHelpers
import Refusals

extension ServerConfiguration {
  /// Who is told metrics over HTTP besides administrators and whoever has the token for it.
  public enum MetricsAccess: String, Sendable, CaseIterable {
    /// Whoever asks from this machine.
    case local
    /// Nobody.
    case token
    /// Everybody who reaches the port.
    case open
    /// Nobody at all: there is no such path.
    case none
  }
}

/// The token that lets a monitor read metrics, and nothing else: the content of a file, which is read at the start and
/// on SIGHUP.
final class ScrapeToken: Sendable {
  private let path: String
  private let token: NIOLockedValueBox<[UInt8]>

  /// Fewer characters might be guessed.
  static let shortest = 20

  /// - Throws: ``ServerStartError`` where the file can't be read or holds no token.
  init(_ path: String) throws(ServerStartError) {
    self.path = path
    token = NIOLockedValueBox(try Self.read(path))
  }

  /// Reads the file anew.
  /// - Throws: as ``init(_:)``; then the token stays as it was.
  func reload() throws(ServerStartError) {
    let new = try Self.read(path)
    token.withLockedValue { $0 = new }
  }

  /// Whether a request has brought it. How long that takes tells nothing of it but its length.
  func matches(_ bearer: String) -> Bool {
    let wanted = token.withLockedValue { $0 }
    let given = Array(bearer.utf8)
    guard given.count == wanted.count else { return false }
    return zip(given, wanted).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
  }

  private static func read(_ path: String) throws(ServerStartError) -> [UInt8] {
    let bytes: [UInt8]?
    do {
      bytes = try FileSystem<FileError>.read(path)
    } catch {
      throw ServerStartError("Can't read the token for metrics (--metrics-token-file): \(error)")
    }
    guard let bytes else {
      throw ServerStartError("There is no token for metrics at \(path) (--metrics-token-file).")
    }
    let token = bytes.split { $0 == 0x0A || $0 == 0x0D || $0 == 0x20 }
    guard token.count == 1, let first = token.first, (shortest..<4096).contains(first.count),
      first.allSatisfy({ 0x21...0x7E ~= $0 }), !first.starts(with: "dbk_".utf8)
    else {
      throw ServerStartError(
        "\(path) (--metrics-token-file) must hold one token of \(shortest) to 4095 visible ASCII characters, which is "
          + "no API key: openssl rand -hex 32 makes one.")
    }
    return Array(first)
  }
}

extension Services {
  /// Why somebody isn't told metrics; nil for whoever is.
  ///
  /// What a proxy hands on doesn't come from this machine, though the proxy may. Nor does what a browser asks for a
  /// page from elsewhere, which names that place as the host.
  func refusal(ofScrape request: HTTPRequest, by principal: Principal?, from peer: Peer) -> Refusal? {
    let access = configuration.metricsAccess
    guard access != .none else {
      return Refusal(.notFound, "This server shows no metrics: it was started with --metrics none.")
    }
    if let principal {
      return principal.isAdministrator
        ? nil
        : .forbidden(permission: "admin", "Metrics are for administrators, or by the server's --metrics-token-file.")
    }
    if let bearer = request.bearer, scrapeToken?.matches(bearer) == true { return nil }
    switch access {
    case .open: return nil
    case .local where peer.isOfThisMachine && !request.isForwarded && request.isForLocalHost: return nil
    case .local, .token, .none:
      return .unauthenticated(
        "Metrics are told without a token to this machine alone, or to nobody: send Authorization: Bearer with the "
          + "token of the server's --metrics-token-file.")
    }
  }
}

extension Peer {
  /// Whether it is a process of this machine, as far as its address says.
  fileprivate var isOfThisMachine: Bool {
    if case .v4(let address) = source { address >> 24 == 127 } else { address == "::1" }
  }
}
