extension Refusal {
  /// The closed set of reasons for which a call is refused: `data.type` on the wire.
  ///
  /// Each knows its JSON-RPC number, what it means, what `data` holds, and whether asking again can help. The page of
  /// errors in the documentation and the `errors` of `rpc.discover` say nothing besides.
  public enum Code: String, Sendable, CaseIterable {
    case parseError = "parse_error"
    case invalidRequest = "invalid_request"
    case methodNotFound = "method_not_found"
    case invalidParams = "invalid_params"
    case `internal`
    case unauthenticated
    case forbidden
    case notFound = "not_found"
    case conflict
    case gone
    case tooLarge = "too_large"
    case held
    case overloaded
    case stale
    case unavailable

    /// The number that stands as `code` on the wire: JSON-RPC's own, or one of the range that it leaves to servers.
    public var number: Int {
      switch self {
      case .parseError: -32700
      case .invalidRequest: -32600
      case .methodNotFound: -32601
      case .invalidParams: -32602
      case .internal: -32603
      case .unauthenticated: -32001
      case .forbidden: -32003
      case .notFound: -32004
      case .conflict: -32009
      case .gone: -32010
      case .tooLarge: -32013
      case .held: -32023
      case .overloaded: -32029
      case .stale: -32030
      case .unavailable: -32053
      }
    }

    /// The code of a number, or nil where this version has none of it.
    public init?(number: Int) {
      guard let code = Self.allCases.first(where: { $0.number == number }) else { return nil }
      self = code
    }

    /// When a call is refused with it, in a sentence.
    public var meaning: String {
      switch self {
      case .parseError: "The line is not JSON, or not UTF-8."
      case .invalidRequest: "The JSON is not a JSON-RPC request."
      case .methodNotFound: "There is no method of this name."
      case .invalidParams: "Some parameters are missing, unknown, or not what their schemas ask for."
      case .internal: "Something went wrong inside the server; its own log says more."
      case .unauthenticated: "Nobody has signed in, or whoever had may no longer act."
      case .forbidden: "The caller may see it, but lacks the permission for this."
      case .notFound: "It does not exist, or the caller may not know that it does."
      case .conflict: "It does not fit the present state; `reason` says which rule."
      case .gone: "It was deleted."
      case .tooLarge: "More was sent or asked for than is taken at once."
      case .held: "A legal hold forbids it, or a restriction of the processing of a person's data."
      case .overloaded: "The server has too much to do just now."
      case .stale: "The read model, or the log, has not reached the position asked for in time."
      case .unavailable: "A part of the server that this needs can't serve now."
      }
    }

    /// Whether the same call may succeed when it is made again a little later.
    public var isTransient: Bool {
      switch self {
      case .overloaded, .stale, .unavailable: true
      default: false
      }
    }

    /// A member of `data`.
    public struct Member: Sendable, Equatable {
      /// Its name.
      public let name: String
      /// What it holds, in a few words.
      public let summary: String
    }

    /// What `data` may hold besides `type`. In a batch of commands every code also has `index`: which command it is
    /// about, counted from 0.
    public var members: [Member] {
      func member(_ name: String, _ summary: String) -> Member { Member(name: name, summary: summary) }
      return switch self {
      case .parseError:
        [
          member("reason", "what is wrong with the text"),
          member("offset", "the byte at which it was found"),
        ]
      case .invalidRequest:
        [
          member("reason", "`duplicateKey` where a member stands twice"),
          member("offset", "the byte at which it was found"),
        ]
      case .methodNotFound:
        [
          member("method", "the name that was asked for"),
          member("suggestions", "up to three names that may have been meant, the nearest first"),
        ]
      case .invalidParams:
        [
          member(
            "problems",
            "every fault, up to 100: `[{\"path\":\"/schedule\",\"problem\":…}]`, the path a JSON Pointer into params")
        ]
      case .internal, .unauthenticated: []
      case .forbidden: [member("permission", "the permission that was needed, such as `pipelines:write`")]
      case .notFound:
        [
          member("resource_type", "of what"), member("id", "which id"),
          member("problems", "where parameters refer to what is not there: as for `invalid_params`"),
        ]
      case .conflict:
        [
          member("reason", "`version`, `unique`, `taken`, `state`, `reference` or `command`"),
          member("expected", "with `version`: the version that the call expected"),
          member("actual", "with `version`: the version that it has"),
          member("fields", "with `unique`: the fields that another resource has the same values of"),
          member("constraint", "with `unique`: the rule's name, where it has one"),
          member("from", "with `state`: the state that it is in"),
          member("allowed", "with `state`: the states in which the call is allowed"),
          member("missing", "with `state`: the pieces that an upload lacks"),
          member("referrers", "with `reference`: what refers to it"),
          member("command_id", "with `command`: the id that was used before with other parameters"),
        ]
      case .gone:
        [
          member("resource_type", "of what"), member("id", "which id"), member("since", "when it was deleted"),
        ]
      case .tooLarge: [member("limit", "how much is taken")]
      case .held:
        [
          member("hold_id", "the legal hold, where it is one"),
          member("person_id", "the person whose data may only be stored, where it is that"),
        ]
      case .overloaded: [member("retry_after_ms", "after how many milliseconds to ask again")]
      case .stale:
        [
          member("position", "the position that was reached"), member("at_least", "the position that was asked for"),
        ]
      case .unavailable:
        [
          member(
            "component",
            "which part: `postgres`, `log`, `vault`, `oidc`, `projections`, `server`, `erasure`, `restriction` or "
              + "`redaction`")
        ]
      }
    }
  }
}
