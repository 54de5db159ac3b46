import CanonicalJSON
import Refusals

/// One entry of what a client sent: a call, or something that was meant as one.
public enum Call: Sendable, Equatable {
  /// A well-formed call.
  case request(Request)
  /// Not a well-formed call: the error is its answer under that id, or nothing is where `id` is nil (a notification).
  case refused(id: RequestID?, Refusal)
}

extension Call {
  /// The call that a value is. Members that JSON-RPC doesn't know are passed over.
  init(_ value: JSON) {
    guard case .object(let members) = value else {
      self = .refused(id: .null, .invalidRequest("A request must be an object."))
      return
    }
    var id: RequestID?
    if let given = members["id"] {
      guard let known = RequestID(given) else {
        self = .refused(id: .null, .invalidRequest("The id of a request must be a string, a number or null."))
        return
      }
      id = known
    }
    guard case .string(let version)? = members["jsonrpc"], version.utf8.elementsEqual("2.0".utf8) else {
      self = .refused(id: id ?? .null, .invalidRequest(#"A request must say "jsonrpc":"2.0"."#))
      return
    }
    guard case .string(let method)? = members["method"] else {
      self = .refused(id: id ?? .null, .invalidRequest("A request must name its method by a string."))
      return
    }
    switch members["params"] {
    case .object(let params): self = .request(Request(id: id, method: method, params: params))
    case nil: self = .request(Request(id: id, method: method, params: [:]))
    case .array(let params) where params.isEmpty: self = .request(Request(id: id, method: method, params: [:]))
    default:
      self = .refused(id: id, .invalidParams([(path: "", problem: "parameters are given by name, as an object")]))
    }
  }
}
