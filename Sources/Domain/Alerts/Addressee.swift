import BasicTypes
import CanonicalJSON
import EventLog
import Records

/// Who is told of something.
enum Addressee: Equatable {
  case user(Identifier)
  /// Everybody in the organization.
  case organization
  /// Nobody: the one whom it concerns wants no notifications.
  case nobody

  /// The first of some users who can be told: alive, active, and of the organization (or an administrator of the
  /// service). Everybody where none can; nobody where that one has switched notifications off.
  static func first(of users: [Identifier?], in organization: Identifier?, _ decision: Decision) throws -> Addressee {
    for case let id? in users {
      guard try isReachable(id, in: organization, decision) else { continue }
      return try wantsNotifications(id, decision) ? .user(id) : .nobody
    }
    return .organization
  }

  /// Whether a user is there to be told of what happens in an organization.
  static func isReachable(_ id: Identifier, in organization: Identifier?, _ decision: Decision) throws -> Bool {
    guard let user = try decision.transaction.living(id, type: "user"), user.fields["is_active"] != false else {
      return false
    }
    if user.fields["role"] == "admin" { return true }
    return try decision.transaction.memberships(of: id).contains { $0.organization == organization }
  }

  /// Whether a user has left notifications on.
  static func wantsNotifications(_ id: Identifier, _ decision: Decision) throws -> Bool {
    for link in try decision.transaction.referrers(of: id, type: "user_preferences", limit: 16) {
      guard let preferences = try decision.transaction.living(link.id, type: "user_preferences") else { continue }
      if preferences.fields["notifications_enabled"] == false { return false }
    }
    return true
  }
}

extension Decision {
  /// Tells somebody of something that happened to a resource.
  func notify(_ addressee: Addressee, type: String, title: String, message: String, about state: ResourceState) throws {
    guard addressee != .nobody else { return }
    var values: JSONObject = [
      "type": .string(type), "title": .string(Decision.shortened(title)), "message": .string(message),
      "resource_type": .string(state.type), "resource_id": .string(state.id.text), "is_read": false,
    ]
    if case .user(let id) = addressee { values["user_id"] = .string(id.text) }
    try create(
      Creation(
        type: try model.type("notification"), event: "notification.notified", organization: state.organization,
        values: values))
  }

  /// A text that fits a title: at most 255 characters.
  private static func shortened(_ title: String) -> String {
    guard title.utf8.count > 255, title.unicodeScalars.count > 255 else { return title }
    var short = String.UnicodeScalarView(title.unicodeScalars.prefix(254))
    short.append("…")
    return String(short)
  }
}
