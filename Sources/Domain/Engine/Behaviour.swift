import Access
import BasicTypes
import CanonicalJSON
import Catalog
import Records
import Refusals

/// What the catalog can't say: a command that needs computing, under the name by which the catalog refers to it.
///
/// `Prepared` is what is found out of the parameters before the decision, and handed to it; `Void` for most.
struct Behaviour<Prepared: Sendable>: Sendable {
  /// What the engine has to know of it besides.
  let traits: BehaviourTraits
  /// Checks beyond the fields' own, on the caller's thread, and finds out what the decision needs; may change what was
  /// given (fill in ids, normalize). What it refuses it says in the context.
  let prepare: @Sendable (inout CheckContext) -> Preparation<Prepared>
  /// Decides the command inside the write transaction.
  let decide: @Sendable (Decision, Prepared) throws -> Void

  /// A behaviour whose decision needs what its preparation finds out.
  init(
    normalize: (@Sendable (JSONObject) -> JSONObject)? = nil,
    alsoRefuses: Set<Refusal.Code> = [],
    prepare: @escaping @Sendable (inout CheckContext) -> Preparation<Prepared>,
    decide: @escaping @Sendable (Decision, Prepared) throws -> Void
  ) {
    traits = BehaviourTraits(normalize: normalize, alsoRefuses: alsoRefuses)
    self.prepare = prepare
    self.decide = decide
  }

  /// The behaviour as the table holds it, among others with other preparations.
  var erased: AnyBehaviour {
    AnyBehaviour(traits: traits) { [prepare, decide] context in
      prepare(&context).map { prepared in { decision in try decide(decision, prepared) } }
    }
  }
}

extension Behaviour where Prepared == Void {
  /// A behaviour whose decision needs the parameters alone.
  init(
    normalize: (@Sendable (JSONObject) -> JSONObject)? = nil,
    check: (@Sendable (inout CheckContext) -> Void)? = nil,
    fillsDefaults: Bool = false,
    organizationSource: String? = nil,
    authorizesItself: Bool = false,
    keepsPrincipals: Bool = false,
    findsOrganization: Bool = false,
    alsoRefuses: Set<Refusal.Code> = [],
    decide: @escaping @Sendable (Decision) throws -> Void
  ) {
    traits = BehaviourTraits(
      normalize: normalize, fillsDefaults: fillsDefaults, organizationSource: organizationSource,
      authorizesItself: authorizesItself, keepsPrincipals: keepsPrincipals, findsOrganization: findsOrganization,
      alsoRefuses: alsoRefuses)
    prepare = { context in
      check?(&context)
      return .ready(())
    }
    self.decide = { decision, _ in try decide(decision) }
  }
}

/// What the engine has to know of a behaviour besides how it prepares and decides.
struct BehaviourTraits: Sendable {
  /// Puts what was given into the form that the fields are checked in, before they are; may not refuse anything.
  var normalize: (@Sendable (JSONObject) -> JSONObject)?
  /// Whether the behaviour itself fills in the defaults of a new resource's fields:
  /// what isn't given stays absent, and a given null stays.
  var fillsDefaults = false
  /// The reference from whose target a new resource takes its organization, where none is named.
  var organizationSource: String?
  /// Whether the behaviour itself decides who may; else the command's permission in
  /// the resource's organization is needed.
  var authorizesItself = false
  /// Whether what it records about users and keys leaves them as they are (a login,
  /// a use), so that nobody needs a second look.
  var keepsPrincipals = false
  /// Whether the behaviour finds the organization, where none is named: it isn't needed then.
  var findsOrganization = false
  /// The codes with which it may refuse besides those that follow from the command.
  var alsoRefuses: Set<Refusal.Code> = []
}

/// A behaviour without the type of its preparation.
struct AnyBehaviour: Sendable {
  let traits: BehaviourTraits
  /// Checks and prepares; what comes of it decides the command.
  let prepare: @Sendable (inout CheckContext) -> Preparation<Deciding>
}

/// Decides a command that has been prepared.
typealias Deciding = @Sendable (Decision) throws -> Void

/// What comes of preparing a command.
enum Preparation<Prepared: Sendable>: Sendable {
  /// All is known that the decision needs.
  case ready(Prepared)
  /// Something that takes long (hashing a password) has to be found out first, off the event loop and off the writer.
  case background(@Sendable (CommandEngine, PreparedCommand) async throws -> Prepared)
  /// The parameters are at fault: the context says how.
  case refused

  func map<Other: Sendable>(_ transform: @escaping @Sendable (Prepared) -> Other) -> Preparation<Other> {
    switch self {
    case .ready(let prepared): .ready(transform(prepared))
    case .background(let work): .background { engine, command in transform(try await work(engine, command)) }
    case .refused: .refused
    }
  }
}

/// What a behaviour's check sees and may change.
struct CheckContext {
  let model: CatalogModel
  let principal: Principal
  /// The `id` parameter.
  let id: Identifier?
  /// Whether the command makes a resource.
  let isCreation: Bool
  /// The organization that was named, or its default.
  let organization: Identifier?
  /// Where values stand that were refused already, and so are missing among the fields and parameters.
  let refused: Set<String>
  var fields: JSONObject
  var parameters: JSONObject
  var problems: [ValueProblem] = []

  mutating func refuse(_ path: String, _ problem: String) {
    problems.append(ValueProblem(path: path, problem: problem))
  }

  /// Whether a value was given for a field that is fit for it, or was refused before and needs no further fault.
  func isGiven(_ name: String) -> Bool { fields[name] != nil || refused.contains("/\(name)") }
}
