import CanonicalJSON

/// A refusal as it came from a server, which may be newer than this client and have codes that it doesn't know.
public struct ReceivedRefusal: Error, Sendable, Equatable {
  /// The number that stood as `code`.
  public let number: Int
  /// The word that stood as `data.type`; empty where another kind of server gave none.
  public let type: String
  /// A sentence for a person.
  public let message: String
  /// What stood in `data` besides `type`.
  public let data: JSONObject

  /// What kind of refusal it is, by its word, or by its number where it has no word; nil for one that this version
  /// doesn't know.
  public var code: Refusal.Code? {
    type.isEmpty ? Refusal.Code(number: number) : Refusal.Code(rawValue: type)
  }

  /// A refusal of the given parts.
  public init(number: Int, type: String, message: String, data: JSONObject = [:]) {
    self.number = number
    self.type = type
    self.message = message
    self.data = data
  }

  /// The refusal that an answer's `error` member holds, or nil where it is none (JSON-RPC 2.0 §5.1).
  public init?(_ json: JSON) {
    guard let number = json["code"]?.integerValue, let message = json["message"]?.stringValue else { return nil }
    var data = json["data"]?.objectValue ?? [:]
    let type = data.removeValue(forKey: "type")?.stringValue ?? ""
    self.init(number: Int(number), type: type, message: message, data: data)
  }

  /// The object as it came.
  public var json: JSON {
    var members = data
    if !type.isEmpty { members["type"] = .string(type) }
    return ["code": .integer(Int64(number)), "data": .object(members), "message": .string(message)]
  }
}

extension ReceivedRefusal: CustomStringConvertible {
  /// The word, the number and the sentence.
  public var description: String { "\(type) (\(number)): \(message)" }
}
