import BasicTypes
import CanonicalJSON
import Catalog

/// Why a request was refused: the one form in which errors reach a client.
///
/// Neither ``message`` nor ``data`` ever quotes a secret or a personal value.
public struct DaybookError: Error, Sendable, Equatable {
  /// The JSON-RPC error code (`-32009`).
  public let code: Int
  /// The stable word for programs (`conflict`); `data.type` on the wire.
  public let type: String
  /// A sentence for a person.
  public let message: String
  /// What a program needs to react, without `type`.
  public var data: JSONObject

  /// An error of these parts.
  public init(code: Int, type: String, message: String, data: JSONObject = [:]) {
    self.code = code
    self.type = type
    self.message = message
    self.data = data
  }

  /// The `error` member of a JSON-RPC answer.
  public var object: JSONObject {
    var withType = data
    withType["type"] = .string(type)
    return ["code": .integer(Int64(code)), "message": .string(message), "data": .object(withType)]
  }

  /// The same error, naming which command of a batch it is about.
  package func atIndex(_ index: Int) -> DaybookError {
    var copy = self
    copy.data["index"] = .integer(Int64(index))
    return copy
  }
}

extension DaybookError {
  /// `parse_error`: the line is no JSON, or no UTF-8.
  public static func parseError(_ message: String) -> DaybookError {
    DaybookError(code: -32700, type: "parse_error", message: message)
  }

  /// `invalid_request`: the JSON is no JSON-RPC request.
  public static func invalidRequest(_ message: String) -> DaybookError {
    DaybookError(code: -32600, type: "invalid_request", message: message)
  }

  /// `method_not_found`, with the names that come near.
  public static func methodNotFound(_ name: String, suggestions: [String] = []) -> DaybookError {
    DaybookError(
      code: -32601, type: "method_not_found",
      message: suggestions.isEmpty
        ? "There is no method of this name." : "There is no method of this name; did you mean \(suggestions[0])?",
      data: ["method": .string(String(name.prefix(200))), "suggestions": .array(suggestions.map(JSON.string))])
  }

  /// `invalid_params`, with every fault and where it is.
  public static func invalidParams(_ problems: [(path: String, problem: String)]) -> DaybookError {
    let listed = problems.map { JSON.object(["path": .string($0.path), "problem": .string($0.problem)]) }
    let message =
      problems.count == 1
      ? "\(problems[0].path.isEmpty ? "The parameters" : problems[0].path): \(problems[0].problem)."
      : "\(problems.count) parameters are not right; see problems."
    return DaybookError(code: -32602, type: "invalid_params", message: message, data: ["problems": .array(listed)])
  }

  /// `invalid_params` of one fault.
  public static func invalidParam(_ path: String, _ problem: String) -> DaybookError {
    invalidParams([(path, problem)])
  }

  /// `invalid_params` of what the catalog's check found.
  package static func invalidParams(_ problems: [ValueProblem]) -> DaybookError {
    invalidParams(problems.map { (path: $0.path, problem: $0.problem) })
  }

  /// `internal`: a fault of the server's own. The sentence must not quote values.
  public static func internalError(_ message: String) -> DaybookError {
    DaybookError(code: -32603, type: "internal", message: message)
  }

  /// `unauthenticated`: nobody has signed in, or who did no longer may.
  public static func unauthenticated(
    _ message: String = "Sign in first: the key or session is missing, revoked or expired."
  ) -> DaybookError {
    DaybookError(code: -32001, type: "unauthenticated", message: message)
  }

  /// `forbidden`, with the permission that was needed (`pipelines:write`).
  public static func forbidden(permission: String, _ message: String? = nil) -> DaybookError {
    DaybookError(
      code: -32003, type: "forbidden", message: message ?? "This needs the permission \(permission).",
      data: ["permission": .string(permission)])
  }

  /// `not_found`: it doesn't exist, or the caller may not know that it does.
  public static func notFound(type: String, id: String) -> DaybookError {
    DaybookError(
      code: -32004, type: "not_found", message: "There is no \(spoken(type)) of this id.",
      data: ["resource_type": .string(type), "id": .string(id)])
  }

  /// What a parameter refers to, and what is wrong with that.
  package struct ReferenceProblem {
    package let path: String
    package let problem: String
    /// The type and id of what isn't there, or may not be known to be; nil where something else is wrong with it.
    package var missing: (type: String, id: Identifier)?

    /// What is wrong with the parameter at a path.
    package init(path: String, problem: String, missing: (type: String, id: Identifier)? = nil) {
      self.path = path
      self.problem = problem
      self.missing = missing
    }
  }

  /// `not_found` where nothing else is wrong than that parameters refer to what isn't there, or what the caller may not know of: `resource_type` and
  /// `id` are of the first, `problems` lists all as `invalid_params` does. `invalid_params` where anything else is wrong as well.
  package static func references(_ problems: [ReferenceProblem]) -> DaybookError {
    let refused = invalidParams(problems.map { (path: $0.path, problem: $0.problem) })
    guard let first = problems.first?.missing, problems.allSatisfy({ $0.missing != nil }) else { return refused }
    var data = refused.data
    data["resource_type"] = .string(first.type)
    data["id"] = .string(first.id.text)
    return DaybookError(code: -32004, type: "not_found", message: refused.message, data: data)
  }

  /// `not_found` of what one parameter refers to.
  package static func missing(_ type: String, _ id: Identifier, at path: String, _ problem: String? = nil)
    -> DaybookError
  {
    references([
      ReferenceProblem(
        path: path, problem: problem ?? "there is no \(spoken(type)) of this id", missing: (type: type, id: id))
    ])
  }

  /// `conflict` of the given reason (`version`, `unique`, `state`, `reference`, `command`), with what belongs to it.
  public static func conflict(reason: String, _ message: String, _ data: JSONObject = [:]) -> DaybookError {
    var all = data
    all["reason"] = .string(reason)
    return DaybookError(code: -32009, type: "conflict", message: message, data: all)
  }

  /// `gone`: it was deleted, and when.
  public static func gone(type: String, id: String, since: String) -> DaybookError {
    DaybookError(
      code: -32010, type: "gone", message: "This \(spoken(type)) was deleted.",
      data: ["resource_type": .string(type), "id": .string(id), "since": .string(since)])
  }

  /// `too_large`, with the limit that was passed.
  public static func tooLarge(limit: Int64, _ message: String) -> DaybookError {
    DaybookError(code: -32013, type: "too_large", message: message, data: ["limit": .integer(limit)])
  }

  /// `held`: a legal hold forbids it.
  public static func held(by hold: String) -> DaybookError {
    DaybookError(
      code: -32023, type: "held", message: "A legal hold forbids this.", data: ["hold_id": .string(hold)])
  }

  /// `overloaded`: more is waiting than the server takes; try again after so many milliseconds.
  public static func overloaded(retryAfterMilliseconds: Int64) -> DaybookError {
    DaybookError(
      code: -32029, type: "overloaded", message: "The server has too much to do just now; try again shortly.",
      data: ["retry_after_ms": .integer(retryAfterMilliseconds)])
  }

  /// `stale`: the read model has reached `position` only, and `atLeast` was asked for.
  public static func stale(position: UInt64, atLeast: UInt64) -> DaybookError {
    DaybookError(
      code: -32030, type: "stale",
      message: "The read model has not reached the position asked for; ask again, or with a longer timeout_ms.",
      data: ["position": .integer(Int64(position)), "at_least": .integer(Int64(atLeast))])
  }

  /// `unavailable`: a part that this needs can't serve now (`postgres`, `log`, `vault`).
  public static func unavailable(component: String, _ message: String) -> DaybookError {
    DaybookError(code: -32053, type: "unavailable", message: message, data: ["component": .string(component)])
  }

  /// A resource type's name as a sentence says it: `api_key` is "api key".
  package static func spoken(_ type: String) -> String {
    String(type.map { $0 == "_" ? " " : $0 })
  }
}

extension DaybookError: CustomStringConvertible {
  /// The type, the code and the sentence.
  public var description: String { "\(type) (\(code)): \(message)" }
}
