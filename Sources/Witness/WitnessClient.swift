import BasicTypes
import MerkleTree
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Why a witness gave no cosignature.
public struct WitnessError: Error, Sendable, CustomStringConvertible {
  /// A sentence.
  public let description: String

  /// An error of that sentence.
  public init(_ description: String) { self.description = description }
}

/// Asks a witness over HTTP or HTTPS.
public struct WitnessClient: Sendable {
  private static let patience = TimeAmount.seconds(10)

  private let isSecure: Bool
  private let host: String
  private let port: Int
  private let prefix: String
  private let verifier: NoteVerifier

  /// A client of the witness at a URL, the submission prefix.
  /// - Parameter verifier: Its key; a cosignature of another is none.
  /// - Throws: ``WitnessError`` for what is no URL.
  public init(url: String, verifier: NoteVerifier) throws(WitnessError) {
    let scheme = url.hasPrefix("https://") ? "https://" : "http://"
    let rest = url.dropFirst(scheme.utf8.count)
    let authority = rest.prefix { $0 != "/" }
    guard url.hasPrefix(scheme), !authority.isEmpty else {
      throw WitnessError("\(url) is not the URL of a witness, such as https://witness.example.")
    }
    isSecure = scheme == "https://"
    let parts = authority.hasPrefix("[") ? authority.dropFirst().split(separator: "]", maxSplits: 1) : []
    let name = parts.first.map(String.init) ?? String(authority.split(separator: ":").first ?? "")
    let portText =
      parts.isEmpty
      ? authority.split(separator: ":").dropFirst().first.map(String.init)
      : parts.dropFirst().first.map { String($0.dropFirst()) }
    host = name
    port = portText.flatMap { Int($0) } ?? (isSecure ? 443 : 80)
    var path = String(rest.dropFirst(authority.utf8.count))
    while path.hasSuffix("/") { path.removeLast() }
    prefix = path
    self.verifier = verifier
  }

  /// What comes of a request.
  public enum Outcome: Sendable, Equatable {
    /// The witness has cosigned.
    case cosigned([NoteSignature])
    /// It cosigned another size last: ask again with a proof from there.
    case conflict(size: UInt64)
  }

  /// Sends a request.
  /// - Throws: ``WitnessError`` where the witness refuses, answers nonsense, or can't be reached.
  public func send(_ request: WitnessRequest) async throws -> Outcome {
    let (status, text) = try await post(request.serialized)
    switch status {
    case 200:
      let note: SignedNote
      do {
        note = try SignedNote(parsing: Array((request.note.text + "\n" + text).utf8))
      } catch {
        throw WitnessError("The witness answered what is no cosignature.")
      }
      let own = note.signatures.filter { $0.name == verifier.name && $0.keyID == verifier.keyID }
      guard verifier.cosignatureTime(try SignedNote(text: note.text, signatures: own)) != nil else {
        throw WitnessError("The witness's cosignature is not by the key \(verifier.vkey).")
      }
      return .cosigned(own)
    case 409:
      guard let size = UInt64(text.split(separator: "\n").first ?? "") else {
        throw WitnessError("The witness answered 409 without a size.")
      }
      return .conflict(size: size)
    default:
      throw WitnessError("The witness refuses (\(status)): \(text.split(separator: "\n").first ?? "")")
    }
  }

  private func post(_ body: String) async throws -> (status: Int, text: String) {
    let host = host
    let context = isSecure ? try NIOSSLContext(configuration: .makeClientConfiguration()) : nil
    do {
      let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .connectTimeout(Self.patience)
        .connect(host: host, port: port) { channel in
          channel.eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            if let context { try pipeline.addHandler(NIOSSLClientHandler(context: context, serverHostname: host)) }
            try pipeline.addHTTPClientHandlers()
            return try NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>(
              wrappingChannelSynchronously: channel)
          }
        }
      return try await channel.executeThenClose { inbound, outbound in
        let timeout = channel.channel.eventLoop.scheduleTask(in: Self.patience) { channel.channel.close(promise: nil) }
        defer { timeout.cancel() }
        var head = HTTPRequestHead(version: .http1_1, method: .POST, uri: "\(prefix)/add-checkpoint")
        head.headers.add(name: "host", value: "\(host):\(port)")
        head.headers.add(name: "content-length", value: "\(body.utf8.count)")
        head.headers.add(name: "connection", value: "close")
        try await outbound.write(.head(head))
        try await outbound.write(.body(.byteBuffer(ByteBuffer(string: body))))
        try await outbound.write(.end(nil))
        var status: Int?
        var text = ""
        for try await part in inbound {
          switch part {
          case .head(let response): status = Int(response.status.code)
          case .body(let buffer):
            guard text.utf8.count + buffer.readableBytes <= WitnessRequest.maximumBytes else {
              throw WitnessError("The witness answers more than a cosignature has.")
            }
            text += String(buffer: buffer)
          case .end: break
          }
          if case .end = part { break }
        }
        guard let status else {
          throw WitnessError("The witness did not answer in \(Self.patience.nanoseconds / 1_000_000_000) s.")
        }
        return (status, text)
      }
    } catch let error as WitnessError {
      throw error
    } catch {
      throw WitnessError("The witness at \(host):\(port) can't be reached: \(error)")
    }
  }
}
