import CanonicalJSON
import NIOCore
import Refusals

/// One line that a server sent, for the client's end of the socket.
public enum ServerMessage: Sendable {
  /// The answer to one call.
  case response(Response)
  /// The answers to a batch, in any order.
  case batch([Response])
  /// What the server tells of itself, such as `log.event`.
  case notification(method: String, params: JSONObject)

  /// The message that a line holds.
  /// - Throws: ``Refusal`` where the line is neither an answer nor a notification.
  public init(line: ByteBuffer) throws(Refusal) {
    let parsed: Result<JSON, JSONParseError> = line.withUnsafeReadableBytes { bytes in
      do throws(JSONParseError) {
        return .success(try JSON.parse(bytes.bindMemory(to: UInt8.self)))
      } catch {
        return .failure(error)
      }
    }
    switch parsed {
    case .failure(let fault):
      throw .parseError(fault)
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
