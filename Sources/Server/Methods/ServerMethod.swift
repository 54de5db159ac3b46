import Access
import CanonicalJSON
import Catalog
import Domain

/// A method that the server answers itself, besides commands and queries.
struct ServerMethod: Sendable {
  /// Who may call it.
  enum Access: Sendable {
    /// Anyone who can connect.
    case anyone
    /// Anyone who has signed in.
    case session
    /// Administrators only.
    case administrator
  }

  /// How it is answered.
  enum Work: Sendable {
    /// On the event loop: it must not block.
    case immediate(@Sendable (Services, inout CallParameters) throws -> JSONObject)
    /// By a task, like a query: canonical JSON.
    case task(@Sendable (ServerCall, CallParameters) async throws -> [UInt8])
    case sessionOpen, sessionClose, sessionWhoami
    case subscribe, unsubscribe
  }

  let name: String
  let summary: String
  let parameters: [Field]
  let resultSchema: JSON
  let access: Access
  let work: Work

  init(
    _ name: String, _ summary: String, _ access: Access, parameters: [Field] = [], result: JSON = ["type": "object"],
    _ work: Work
  ) {
    self.name = name
    self.summary = summary
    self.access = access
    self.parameters = parameters
    resultSchema = result
    self.work = work
  }
}

/// What a method that is answered by a task may use.
struct ServerCall: Sendable {
  let services: Services
  let principal: Principal?
  let isAdministrator: Bool
  /// For what is told on the way, such as progress.
  let outbox: Outbox
}

extension Field {
  /// A parameter of a server method.
  static func parameter(_ name: String, _ type: FieldType, _ summary: String, isRequired: Bool = false) -> Field {
    var field = Field(name: name, type: type)
    field.summary = summary
    field.isRequired = isRequired
    return field
  }
}
