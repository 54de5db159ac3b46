import BasicTypes
import MerkleTree
import NIOCore

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

  private let exchange: HTTPExchange
  private let verifier: NoteVerifier

  /// A client of the witness at a URL, the submission prefix.
  /// - Parameter verifier: Its key; a cosignature of another is none.
  /// - Throws: ``WitnessError`` for what is no URL.
  public init(url: String, verifier: NoteVerifier) throws(WitnessError) {
    var prefix = url
    while prefix.hasSuffix("/") { prefix.removeLast() }
    guard let exchange = HTTPExchange(url: "\(prefix)/add-checkpoint", patience: Self.patience) else {
      throw WitnessError("\(url) is not the URL of a witness, such as https://witness.example.")
    }
    self.exchange = exchange
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
    do {
      let answer = try await exchange.send((body, "text/plain"), limit: WitnessRequest.maximumBytes)
      return (answer.status, answer.text)
    } catch {
      throw WitnessError("The witness at \(error.description)")
    }
  }
}
