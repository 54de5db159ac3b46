import Access
import BasicTypes
import CanonicalJSON
import Catalog
import NIOConcurrencyHelpers
import Refusals

/// The parameters that every command takes.
struct CommonParameters: Sendable {
  var commandID: String?
  var about: [Identifier] = []
  var expectedVersion: Int64?
  var reason: String?
  var correlation: String?
  var isDryRun = false
}

/// A command whose parameters have been checked as far as they can be without the log: ready to be submitted.
///
/// Where ``needsBackground`` is true, ``prepareInBackground()`` must have returned before it is submitted.
public final class PreparedCommand: Sendable {
  /// One command with its own parameters, or several that are applied all or none.
  enum Content: Sendable {
    case single(CommandModel)
    case batch([PreparedCommand])
  }

  /// The method's name.
  public let method: String
  let content: Content
  let principal: Principal
  let origin: Origin
  let common: CommonParameters
  /// The `id` parameter: the target, or what a new resource shall be called.
  let id: Identifier?
  /// The `organization_id` parameter, or its default.
  let organization: Identifier?
  /// The type's fields that were given, normalized; on an edit a null clears one.
  let fields: JSONObject
  /// The command's own parameters, normalized, with defaults.
  let parameters: JSONObject
  /// The parameters that nobody gave, and that have their defaults.
  let defaulted: Set<String>
  /// The keyed hash of the request, where it has a command id.
  let fingerprint: [UInt8]?
  /// What the behaviour's check has read of the parameters.
  let attachment: (any Sendable)?
  /// What ran in the background first: the password's hash.
  let passwordHash = NIOLockedValueBox<String?>(nil)
  /// What the behaviour found out in the background.
  let groundwork = NIOLockedValueBox<(any Sendable)?>(nil)
  private let passwords: PasswordWorkers?
  private let engine: CommandEngine?

  init(
    method: String, content: Content, principal: Principal, origin: Origin, common: CommonParameters,
    id: Identifier? = nil, organization: Identifier? = nil, fields: JSONObject = [:], parameters: JSONObject = [:],
    defaulted: Set<String> = [], fingerprint: [UInt8]? = nil, attachment: (any Sendable)? = nil,
    passwords: PasswordWorkers? = nil,
    engine: CommandEngine? = nil
  ) {
    self.method = method
    self.content = content
    self.principal = principal
    self.origin = origin
    self.common = common
    self.id = id
    self.organization = organization
    self.fields = fields
    self.parameters = parameters
    self.defaulted = defaulted
    self.fingerprint = fingerprint
    self.attachment = attachment
    self.passwords = passwords
    self.engine = engine
  }

  /// Whether something slow (hashing a password) must run first, off the event loop and off the writer.
  public var needsBackground: Bool {
    switch content {
    case .single(let model):
      (model.behaviour?.hashesPassword == true && parameters.contains("password")) || model.behaviour?.background != nil
    case .batch(let commands): commands.contains { $0.needsBackground }
    }
  }

  /// Does what is slow, on threads of its own. Call it once, before the command is submitted.
  /// - Throws: ``Refusal``: `invalid_params` for a password that can't be hashed, `overloaded` where too many wait.
  public func prepareInBackground() async throws {
    switch content {
    case .single(let model):
      if let background = model.behaviour?.background, let engine {
        let found = try await background(engine, self)
        groundwork.withLockedValue { $0 = found }
      }
      guard model.behaviour?.hashesPassword == true, let passwords, let password = parameters["password"]?.stringValue
      else { return }
      let hash = try await passwords.hash(password)
      passwordHash.withLockedValue { $0 = hash }
    case .batch(let commands):
      for (index, command) in commands.enumerated() where command.needsBackground {
        do {
          try await command.prepareInBackground()
        } catch let error as Refusal {
          throw error.atIndex(index)
        }
      }
    }
  }
}

/// What a command came to.
public struct CommandResult: Sendable {
  /// The position that a query must wait for to see it.
  public let position: UInt64
  /// The canonical JSON of the result object.
  public let resultBytes: [UInt8]
}
