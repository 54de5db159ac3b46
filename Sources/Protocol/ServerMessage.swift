import CanonicalJSON
import NIOCore

/// One answer to a call.
public struct Response: Sendable {
  /// The id of the call; null where the server couldn't make it out.
  public let id: RequestID
  /// What the method answered.
  public let outcome: Result<JSON, ErrorObject>

  /// An answer of the given parts.
  public init(id: RequestID, outcome: Result<JSON, ErrorObject>) {
    self.id = id
    self.outcome = outcome
  }
}

/// One line that a server sent, for the client's end of the socket.
public enum ServerMessage: Sendable {
  /// The answer to one call.
  case response(Response)
  /// The answers to a batch, in any order.
  case batch([Response])
  /// What the server tells of itself, such as `log.event`.
  case notification(method: String, params: JSONObject)

  /// The message that a line holds.
  /// - Throws: ``ErrorObject`` where the line is neither an answer nor a notification.
  public init(line: ByteBuffer) throws(ErrorObject) {
    let parsed: Result<JSON, JSONParseError> = line.withUnsafeReadableBytes { bytes in
      do throws(JSONParseError) {
        return .success(try JSON.parse(bytes.bindMemory(to: UInt8.self)))
      } catch {
        return .failure(error)
      }
    }
    switch parsed {
    case .failure(let fault):
      throw .parse(fault)
    case .success(.array(let elements)):
      var responses: [Response] = []
      responses.reserveCapacity(elements.count)
      for element in elements {
        guard let response = Response(element) else {
          throw .invalidRequest("A batch holds something that is no answer.")
        }
        responses.append(response)
      }
      self = .batch(responses)
    case .success(let value):
      if let response = Response(value) {
        self = .response(response)
      } else if let method = value["method"]?.stringValue, value["id"] == nil {
        self = .notification(method: method, params: value["params"]?.objectValue ?? [:])
      } else {
        throw .invalidRequest("A line is neither an answer nor a notification.")
      }
    }
  }
}

extension Response {
  init?(_ value: JSON) {
    guard let id = value["id"].flatMap(RequestID.init) else { return nil }
    if let result = value["result"] {
      self.init(id: id, outcome: .success(result))
    } else if let error = value["error"].flatMap({ ErrorObject($0) }) {
      self.init(id: id, outcome: .failure(error))
    } else {
      return nil
    }
  }
}
