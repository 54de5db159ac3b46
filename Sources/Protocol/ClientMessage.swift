import CanonicalJSON
import NIOCore
import Refusals

/// One line that a client sent.
public enum ClientMessage: Sendable, Equatable {
  /// One call, answered by one object.
  case single(Call)
  /// A batch, answered by one array of what its calls answer, or by nothing where
  /// none of them answers. It is never empty.
  case batch([Call])

  /// How many calls one batch may hold: what keeps a short line from asking for a very long answer.
  public static let maximumBatch = 10_000

  /// The message that a line holds. Whatever is wrong with it becomes a ``Call/refused(id:_:)``.
  public init(line: ByteBuffer) {
    switch Self.parse(line, options: JSONParseOptions()) {
    case .success(.array(let elements)):
      self = Self.batch(of: elements)
    case .success(let value):
      self = .single(Call(value))
    case .failure(let fault) where fault.code == .duplicateKey:
      self = .single(.refused(id: Self.identifierDespiteDuplicates(line), Self.duplicateKey(fault)))
    case .failure(let fault):
      self = .single(.refused(id: .null, .parseError(fault)))
    }
  }

  private static func batch(of elements: [JSON]) -> ClientMessage {
    if elements.isEmpty {
      return .single(.refused(id: .null, .invalidRequest("A batch must hold at least one call.")))
    }
    if elements.count > maximumBatch {
      let error = Refusal.tooLarge(
        limit: Int64(maximumBatch), "A batch may hold at most \(maximumBatch) calls.")
      return .single(.refused(id: .null, error))
    }
    return .batch(elements.map(Call.init))
  }

  private static func parse(_ line: ByteBuffer, options: JSONParseOptions) -> Result<JSON, JSONParseError> {
    line.withUnsafeReadableBytes { bytes in
      do throws(JSONParseError) {
        return .success(try JSON.parse(bytes.bindMemory(to: UInt8.self), options: options))
      } catch {
        return .failure(error)
      }
    }
  }

  private static func duplicateKey(_ fault: JSONParseError) -> Refusal {
    .invalidRequest(
      fault.description, ["reason": .string(fault.code.rawValue), "offset": .integer(Int64(fault.offset))])
  }

  /// A repeated key is grammatical JSON, so the caller can be told under its own id;
  /// null where even the id isn't clear.
  private static func identifierDespiteDuplicates(_ line: ByteBuffer) -> RequestID {
    guard case .success(let value) = parse(line, options: JSONParseOptions(duplicateKeys: .lastWins)),
      let id = value["id"].flatMap(RequestID.init)
    else { return .null }
    return id
  }
}
