import CanonicalJSON

/// An error as the socket carries it: `{"code":…,"message":…,"data":{"type":…,…}}`.
public struct ErrorObject: Error, Sendable, Equatable {
  /// JSON-RPC's number, or one of Daybook's own (-32001 and on).
  public let code: Int
  /// The word for the code, `data.type` on the wire.
  public let type: String
  /// A sentence for a person. It quotes no secret and no personal value.
  public let message: String
  /// What a program needs to go on, without `type`.
  public let data: JSONObject

  /// An error of the given parts.
  public init(code: Int, type: String, message: String, data: JSONObject = [:]) {
    self.code = code
    self.type = type
    self.message = message
    self.data = data
  }

  /// The line is no JSON text (JSON-RPC 2.0 §5.1).
  public static func parse(_ fault: JSONParseError) -> ErrorObject {
    ErrorObject(
      code: -32700, type: "parse_error", message: fault.description,
      data: ["reason": .string(fault.code.rawValue), "offset": .integer(Int64(fault.offset))])
  }

  /// The JSON is no request (JSON-RPC 2.0 §5.1).
  public static func invalidRequest(_ message: String) -> ErrorObject {
    ErrorObject(code: -32600, type: "invalid_request", message: message)
  }

  /// The params don't fit the method.
  public static func invalidParams(_ problems: [(path: String, problem: String)]) -> ErrorObject {
    ErrorObject(
      code: -32602, type: "invalid_params",
      message: problems.count == 1 ? "A parameter is wrong." : "\(problems.count) parameters are wrong.",
      data: [
        "problems": .array(problems.map { ["path": .string($0.path), "problem": .string($0.problem)] })
      ])
  }

  /// More bytes or items than are taken at once.
  public static func tooLarge(_ message: String, limit: Int) -> ErrorObject {
    ErrorObject(code: -32013, type: "too_large", message: message, data: ["limit": .integer(Int64(limit))])
  }

  /// The object as it stands in an answer.
  public var json: JSON {
    var members = data
    members["type"] = .string(type)
    return ["code": .integer(Int64(code)), "data": .object(members), "message": .string(message)]
  }

  /// The error that an answer's `error` member holds, or nil where it is none (JSON-RPC 2.0 §5.1). Another server's error without our
  /// `data.type` has an empty ``type``.
  public init?(_ json: JSON) {
    guard let code = json["code"]?.integerValue, let message = json["message"]?.stringValue else { return nil }
    var data = json["data"]?.objectValue ?? [:]
    let type = data.removeValue(forKey: "type")?.stringValue ?? ""
    self.init(code: Int(code), type: type, message: message, data: data)
  }
}
