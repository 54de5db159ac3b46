import Access
import BasicTypes
import CanonicalJSON

/// A command whose parameters have been checked as far as they can be without the
/// log: ready to be submitted, unless ``needsBackground``.
public final class PreparedCommand: Sendable {
  /// One command with its own parameters, or several that are applied all or none.
  enum Content: Sendable {
    case single(CommandModel, Preparation<Deciding>)
    case batch([PreparedCommand])
  }

  /// The method's name.
  public let method: String
  let content: Content
  /// Who gives it, with the person for whom they do.
  package let principal: Principal
  /// Where it came from.
  package let origin: Origin
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
  /// By what the request is known again, where it has a command id.
  let fingerprint: RequestFingerprint?

  init(
    method: String, content: Content, principal: Principal, origin: Origin, common: CommonParameters,
    id: Identifier? = nil, organization: Identifier? = nil, fields: JSONObject = [:], parameters: JSONObject = [:],
    defaulted: Set<String> = [], fingerprint: RequestFingerprint? = nil
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
  }

  /// Whether something slow (hashing a password) must run first: ``CommandEngine/prepareInBackground(_:)``.
  public var needsBackground: Bool {
    switch content {
    case .single(_, .background): true
    case .single: false
    case .batch(let commands): commands.contains { $0.needsBackground }
    }
  }

  /// The same command with another content.
  func with(_ content: Content) -> PreparedCommand {
    PreparedCommand(
      method: method, content: content, principal: principal, origin: origin, common: common, id: id,
      organization: organization, fields: fields, parameters: parameters, defaulted: defaulted,
      fingerprint: fingerprint)
  }
}

/// What a command came to.
public struct CommandResult: Sendable {
  /// The position that a query must wait for to see it.
  public let position: UInt64
  /// The canonical JSON of the result object.
  public let resultBytes: [UInt8]
}
