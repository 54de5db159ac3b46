import Access
import BasicTypes
import CanonicalJSON
import Catalog
import Records

/// What the catalog can't say: a command that needs computing, under the name by which the catalog refers to it.
struct Behaviour: Sendable {
  /// Puts what was given into the form that the fields are checked in, before they are; may not refuse anything.
  var normalize: (@Sendable (JSONObject) -> JSONObject)?
  /// Checks beyond the fields' own, on the caller's thread; may change what was given (fill in ids, normalize).
  var check: (@Sendable (inout CheckContext) -> Void)?
  /// Whether the behaviour itself fills in the defaults of a new resource's fields: what isn't given stays absent, and a given null stays.
  var fillsDefaults = false
  /// Whether the parameter `password` is hashed in the background first.
  var hashesPassword = false
  /// What is found out first, off the writer: what it answers is the decision's ``PreparedCommand/groundwork``.
  var background: (@Sendable (CommandEngine, PreparedCommand) async throws -> any Sendable)?
  /// The reference from whose target a new resource takes its organization, where none is named.
  var organizationSource: String?
  /// Whether the behaviour itself decides who may; else the command's permission in the resource's organization is needed.
  var authorizesItself = false
  /// Whether what it records about users and keys leaves them as they are (a login, a use), so that nobody needs a second look.
  var keepsPrincipals = false
  /// Whether the behaviour finds the organization, where none is named: it isn't needed then.
  var findsOrganization = false
  /// Decides the command inside the write transaction.
  var decide: @Sendable (Decision) throws -> Void
}

/// What a behaviour's check sees and may change.
struct CheckContext {
  let model: CatalogModel
  let principal: Principal
  /// Whether the command makes a resource.
  let isCreation: Bool
  /// The organization that was named, or its default.
  let organization: Identifier?
  /// Where values stand that were refused already, and so are missing among the fields and parameters.
  let refused: Set<String>
  var fields: JSONObject
  var parameters: JSONObject
  var problems: [ValueProblem] = []
  /// What the check has read that the decision needs.
  var attachment: (any Sendable)?

  mutating func refuse(_ path: String, _ problem: String) {
    problems.append(ValueProblem(path: path, problem: problem))
  }

  /// Whether a value was given for a field that is fit for it, or was refused before and needs no further fault.
  func isGiven(_ name: String) -> Bool { fields[name] != nil || refused.contains("/\(name)") }
}
