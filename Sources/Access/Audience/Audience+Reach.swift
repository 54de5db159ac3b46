import BasicTypes
import Catalog

extension Audience {
  /// What of a type a caller may read: what the SQL of a list has to know of them.
  package enum Reach: Sendable, Equatable {
    /// All of it.
    case everything
    /// What the rules give a caller of these bounds.
    case bounded(Bounds)

    /// The organizations whose records may be read; nil for all, those of no organization included.
    package var organizations: Set<Identifier>? {
      switch self {
      case .everything: nil
      case .bounded(let bounds): bounds.readable
      }
    }
  }

  /// What decides, of a caller who is no administrator.
  package struct Bounds: Sendable, Equatable {
    /// The organizations where they may read the type, as more than a guest.
    package let readable: Set<Identifier>
    /// Those where they may read it as a guest.
    package let visited: Set<Identifier>
    /// Those of ``readable`` where they are narrowed in what they read of the type.
    package let narrowed: Set<Identifier>
    /// The workspaces there in which they have a place.
    package let workspaces: Set<Identifier>
    /// Those where they administer it; empty where that changes nothing.
    package let administered: Set<Identifier>
    /// The person who asks or, for an API key, who made it.
    package let subject: Identifier?
    /// The person who asks; nil for API keys.
    package let user: Identifier?
    /// Those where they may read the type and hold an office that sees it.
    package let officed: Set<Identifier>
    /// Whether they may read what is public.
    package let readsPublic: Bool
  }

  /// What a caller may read of the type; nil where they may read it nowhere.
  package func reach(of principal: Principal) -> Reach? {
    guard let visible = principal.visibleOrganizations else { return .everything }
    var user: Identifier?
    if case .user(let identifier) = principal.kind { user = identifier }
    let allowed = visible.filter { principal.allows(.read, on: plural, organization: $0) }
    let visited = allowed.filter { principal.isGuest(in: $0) }
    let narrowed: Set<Identifier> =
      narrowing.map { narrowing in allowed.filter { principal.narrowings[$0] == narrowing } } ?? []
    let bounds = Bounds(
      readable: allowed.subtracting(visited), visited: visited, narrowed: narrowed,
      workspaces: isPlaced && !(visited.isEmpty && narrowed.isEmpty) ? principal.workspaces : [],
      administered: asksForStewards ? visible.filter { principal.allows(.admin, on: plural, organization: $0) } : [],
      subject: principal.subject, user: user,
      officed: offices.isEmpty ? [] : allowed.filter { principal.holds(offices, in: $0) },
      readsPublic: !publicFields.isEmpty && readsPublic(principal))
    let canReach = rules.contains { rule in
      switch rule {
      case .tenant, .sharedOrganization: !bounds.readable.isEmpty
      case .tenantExcept: !bounds.readable.subtracting(bounds.narrowed).isEmpty
      case .colleague, .unplaced, .ownOrShared: !bounds.narrowed.isEmpty
      case .addressee, .ownOrganization: !bounds.readable.isEmpty || !bounds.visited.isEmpty
      case .placed: !bounds.visited.isEmpty
      case .oneself, .named: bounds.user != nil
      case .offices: !bounds.officed.isEmpty
      case .stewards: !bounds.readable.isDisjoint(with: bounds.administered)
      case .maker: bounds.subject != nil && !bounds.readable.isEmpty
      case .published: bounds.readsPublic
      }
    }
    return canReach ? .bounded(bounds) : nil
  }

  /// Whether what lies in a workspace is for its guests.
  private var isPlaced: Bool {
    rules.contains {
      switch $0 {
      case .placed, .colleague: true
      default: false
      }
    }
  }

  /// How members are narrowed in what they read of the type; nil for most types.
  private var narrowing: Narrowing? {
    for case .tenantExcept(let narrowing) in rules { return narrowing }
    return nil
  }

  /// Whether who administers the type sees more than others.
  private var asksForStewards: Bool {
    rules.contains {
      switch $0 {
      case .addressee, .stewards: true
      default: false
      }
    }
  }

  /// The offices that see what no other member does; empty for most types.
  private var offices: Set<Recipient> {
    for case .offices(let offices) in rules { return offices }
    return []
  }

  /// Whether a caller may read what is public, whatever organization it belongs to: every person may, an API key where
  /// its map lets it read the type in its own organization.
  func readsPublic(_ principal: Principal) -> Bool {
    if principal.keyPermissions == nil { return true }
    return principal.organizations.keys.contains { principal.allows(.read, on: plural, organization: $0) }
  }
}
