import CanonicalJSON

/// Why a call was refused: the one form in which an error reaches a client.
///
/// Neither ``message`` nor ``data`` ever quotes a secret or a personal value.
public struct Refusal: Error, Sendable, Equatable {
  /// What kind of refusal it is: a program decides by this.
  public let code: Code
  /// A sentence for a person.
  public let message: String
  /// What a program needs to go on, without `type`; ``Code/members`` lists what stands in it.
  public var data: JSONObject

  /// A refusal of these parts. The functions named after the codes put in what each code promises.
  public init(_ code: Code, _ message: String, _ data: JSONObject = [:]) {
    self.code = code
    self.message = message
    self.data = data
  }

  /// The `error` member of an answer: `{"code":-32009,"message":…,"data":{"type":"conflict",…}}`.
  public var json: JSON {
    var members = data
    members["type"] = .string(code.rawValue)
    return ["code": .integer(Int64(code.number)), "data": .object(members), "message": .string(message)]
  }

  /// The same refusal, naming which command of a batch it is about.
  package func atIndex(_ index: Int) -> Refusal {
    var copy = self
    copy.data["index"] = .integer(Int64(index))
    return copy
  }
}

extension Refusal: CustomStringConvertible {
  /// The code, its number and the sentence.
  public var description: String { "\(code.rawValue) (\(code.number)): \(message)" }
}
