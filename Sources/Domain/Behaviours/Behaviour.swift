import BasicTypes
import CanonicalJSON
import Catalog

/// What the catalog can't say: a command that needs computing, under the name by which the catalog refers to it.
struct Behaviour: Sendable {
  /// Puts what was given into the form that the fields are checked in, before they are; may not refuse anything.
  var normalize: (@Sendable (JSONObject) -> JSONObject)?
  /// Checks beyond the fields' own, on the caller's thread; may change what was given (fill in ids, normalize).
  var check: (@Sendable (inout CheckContext) -> Void)?
  /// Whether the parameter `password` is hashed in the background first.
  var hashesPassword = false
  /// The reference from whose target a new resource takes its organization, where none is named.
  var organizationSource: String?
  /// Whether the behaviour itself decides who may; else the command's permission in the resource's organization is needed.
  var authorizesItself = false
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
  var fields: JSONObject
  var parameters: JSONObject
  var problems: [ValueProblem] = []
  /// What the check has read that the decision needs.
  var attachment: (any Sendable)?

  mutating func refuse(_ path: String, _ problem: String) {
    problems.append(ValueProblem(path: path, problem: problem))
  }
}
