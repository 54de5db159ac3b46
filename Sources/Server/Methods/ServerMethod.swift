import Access
import CanonicalJSON
import Catalog
import Domain
import Queries
import Refusals

/// A method that the server answers itself, besides commands and queries: its entry in the table of methods, with the
/// closure that answers it.
struct ServerMethod: Sendable {
  /// Who may call it.
  enum Access: Sendable {
    /// Anyone who can connect.
    case anyone
    /// Anyone who has signed in.
    case session
    /// Administrators only.
    case administrator

    fileprivate var errors: Set<Refusal.Code> {
      switch self {
      case .anyone: []
      case .session: [.unauthenticated]
      case .administrator: [.unauthenticated, .forbidden]
      }
    }
  }

  /// How it is answered.
  enum Work: Sendable {
    /// At once, on the event loop: it must not block.
    case immediate(@Sendable (ServerCall, Connection) throws -> JSONObject)
    /// By the connection, through the reply, when it can.
    case connection(@Sendable (ServerCall, Connection, Reply) throws -> Void)
    /// By a task, like a query, which may wait for a position first: canonical JSON.
    case task(@Sendable (ServerCall) async throws -> [UInt8])

    /// Whether it is off the event loop.
    var isTask: Bool {
      if case .task = self { true } else { false }
    }
  }

  /// What everybody may know of it.
  let signature: MethodSignature
  let access: Access
  let work: Work

  /// - Parameters:
  ///   - fields: Its own parameters.
  ///   - result: The JSON Schema of its result.
  ///   - errors: The codes with which it may refuse, besides those that follow from the access and the way of working.
  ///   - example: Params of a call that is accepted; nil where a call needs what no document can show.
  init(
    _ name: String, _ summary: String, _ access: Access, fields: [Field] = [], result: JSON = Self.nothing,
    errors: Set<Refusal.Code> = [], example: JSONObject? = [:], _ work: Work
  ) {
    var taken = fields
    var all = errors.union([.invalidParams, .internal, .unavailable]).union(access.errors)
    if case .task = work {
      taken += ReadWait.fields
      all.insert(.stale)
    }
    signature = MethodSignature(
      name, summary, parameters: ParameterList(method: name, taken.map { ParameterList.Parameter($0) }),
      result: result, errors: all, example: example)
    self.access = access
    self.work = work
  }

  /// The result of a method that has nothing to say.
  static let nothing: JSON = ["type": "object"]

  /// The schema of an object that has all of these members.
  static func object(_ properties: JSONObject, besides optional: JSONObject = [:]) -> JSON {
    [
      "type": "object", "properties": .object(properties.merging(optional)),
      "required": .array(properties.keys.map(JSON.string)),
    ]
  }

  /// All of them.
  static let all = system + health + session + projections
}

/// One call of such a method.
struct ServerCall: Sendable {
  let services: Services
  /// Who calls; nil before they have signed in.
  let principal: Principal?
  /// Whether the call comes over the Unix socket, from somebody whom the machine itself lets in.
  let isLocal: Bool
  /// The same with where the call comes from, for what is recorded of it.
  let caller: RecordedCaller
  /// For what is told on the way, such as progress; nil where nothing but the answer can be told.
  let outbox: Outbox?
  /// Its params, in which nothing is wrong.
  let arguments: Arguments

  var isAdministrator: Bool { principal?.isAdministrator == true }

  /// Who calls.
  /// - Throws: ``Refusal`` `unauthenticated` before they have signed in.
  func signedIn() throws -> Principal {
    guard let principal else { throw Refusal.unauthenticated() }
    return principal
  }
}
