import CanonicalJSON

extension Refusal {
  /// `parse_error`: the line is no JSON text (JSON-RPC 2.0 §5.1).
  public static func parseError(_ fault: JSONParseError) -> Refusal {
    Refusal(
      .parseError, fault.description,
      ["reason": .string(fault.code.rawValue), "offset": .integer(Int64(fault.offset))])
  }

  /// `invalid_request`: the JSON is no request (JSON-RPC 2.0 §5.1).
  public static func invalidRequest(_ message: String, _ data: JSONObject = [:]) -> Refusal {
    Refusal(.invalidRequest, message, data)
  }

  /// `method_not_found`, with the names that come near.
  public static func methodNotFound(_ name: String, suggestions: [String] = []) -> Refusal {
    Refusal(
      .methodNotFound,
      suggestions.isEmpty
        ? "There is no method of this name." : "There is no method of this name; did you mean \(suggestions[0])?",
      ["method": .string(String(name.prefix(200))), "suggestions": .array(suggestions.map(JSON.string))])
  }

  /// How many faults an answer names: nobody reads more, and who sends a million must not get a million back.
  public static let problemLimit = 100

  /// A path that a caller's own names made long, as far as it is told.
  private static func shortened(_ path: String) -> String {
    path.utf8.count <= 1000 ? path : String(decoding: path.utf8.prefix(1000), as: UTF8.self) + "…"
  }

  /// `invalid_params`, with every fault and where it is, up to ``problemLimit``.
  public static func invalidParams(_ problems: [(path: String, problem: String)]) -> Refusal {
    let listed = problems.prefix(problemLimit).map { problem in
      JSON.object(["path": .string(shortened(problem.path)), "problem": .string(problem.problem)])
    }
    let message: String
    switch problems.count {
    case 1:
      let path = shortened(problems[0].path)
      message = "\(path.isEmpty ? "The parameters" : path): \(problems[0].problem)."
    case ...problemLimit: message = "\(problems.count) parameters are not right; see problems."
    default: message = "More than \(problemLimit) parameters are not right; problems has the first of them."
    }
    return Refusal(.invalidParams, message, ["problems": .array(listed)])
  }

  /// `invalid_params` of one fault.
  public static func invalidParam(_ path: String, _ problem: String) -> Refusal {
    invalidParams([(path, problem)])
  }

  /// `internal`: a fault of the server's own. The sentence must not quote values.
  public static func internalError(_ message: String) -> Refusal {
    Refusal(.internal, message)
  }

  /// `unauthenticated`: nobody has signed in, or whoever had may no longer act.
  public static func unauthenticated(
    _ message: String = "Sign in first: the key or session is missing, revoked or expired."
  ) -> Refusal {
    Refusal(.unauthenticated, message)
  }

  /// `forbidden`, with the permission that was needed (`pipelines:write`).
  public static func forbidden(permission: String, _ message: String? = nil) -> Refusal {
    Refusal(
      .forbidden, message ?? "This needs the permission \(permission).", ["permission": .string(permission)])
  }

  /// `not_found`: it doesn't exist, or the caller may not know that it does.
  public static func notFound(type: String, id: String) -> Refusal {
    Refusal(
      .notFound, "There is no \(spoken(type)) of this id.", ["resource_type": .string(type), "id": .string(id)])
  }

  /// `conflict` of the given reason (`version`, `unique`, `taken`, `state`, `reference`, `command`), with what belongs
  /// to it.
  public static func conflict(reason: String, _ message: String, _ data: JSONObject = [:]) -> Refusal {
    var all = data
    all["reason"] = .string(reason)
    return Refusal(.conflict, message, all)
  }

  /// `gone`: it was deleted, and when.
  public static func gone(type: String, id: String, since: String) -> Refusal {
    Refusal(
      .gone, "This \(spoken(type)) was deleted.",
      ["resource_type": .string(type), "id": .string(id), "since": .string(since)])
  }

  /// `too_large`, with the limit that was passed.
  public static func tooLarge(limit: Int64, _ message: String) -> Refusal {
    Refusal(.tooLarge, message, ["limit": .integer(limit)])
  }

  /// `held`: a legal hold forbids it.
  public static func held(by hold: String) -> Refusal {
    Refusal(.held, "A legal hold forbids this.", ["hold_id": .string(hold)])
  }

  /// `held`: the data of a person may only be stored (GDPR Art. 18).
  public static func restricted(_ person: String) -> Refusal {
    Refusal(
      .held, "The processing of this person's data is restricted: it is only stored, until an officer ends that.",
      ["person_id": .string(person)])
  }

  /// `overloaded`: more is waiting than the server takes; try again after so many milliseconds.
  public static func overloaded(retryAfterMilliseconds: Int64) -> Refusal {
    Refusal(
      .overloaded, "The server has too much to do just now; try again shortly.",
      ["retry_after_ms": .integer(retryAfterMilliseconds)])
  }

  /// `overloaded`: those who have signed in for one tenant have as many connections as it may have.
  public static func overloaded(connections limit: Int) -> Refusal {
    Refusal(
      .overloaded, "Your organization has \(limit) connections open, as many as one may have: close some first.",
      ["retry_after_ms": 1000])
  }

  /// `stale`: the read model has reached `position` only, and `atLeast` was asked for.
  public static func stale(position: UInt64, atLeast: UInt64) -> Refusal {
    Refusal(
      .stale, "The read model has not reached the position asked for; ask again, or with a longer timeout_ms.",
      ["position": .integer(Int64(clamping: position)), "at_least": .integer(Int64(clamping: atLeast))])
  }

  /// `unavailable`: a part that this needs can't serve now (`postgres`, `log`, `vault`).
  public static func unavailable(component: String, _ message: String) -> Refusal {
    Refusal(.unavailable, message, ["component": .string(component)])
  }

  /// One of a type, as in `an organization`.
  package static func oneOf(_ type: String) -> String {
    let isVowel = type.first.map { "aeio".contains($0) } ?? false
    return "\(isVowel ? "an" : "a") \(spoken(type))"
  }

  /// A resource type's name as a sentence says it: `api_key` is "api key".
  package static func spoken(_ type: String) -> String {
    String(type.map { $0 == "_" ? " " : $0 })
  }
}
