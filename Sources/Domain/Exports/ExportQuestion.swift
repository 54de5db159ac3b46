import Access
import BasicTypes
import CanonicalJSON
import Catalog
import Evidence
import Records
import Refusals

/// What `export.create` was asked for, read of its parameters alone.
struct ExportQuestion: Sendable {
  /// The most names or ids that one member of a filter has.
  private static let mostNames = 1000

  var filter = ExportFilter()
  let isWholeService: Bool
  let withholdsOthers: Bool
  let isDecrypted: Bool
  let since: Timestamp?
  let until: Timestamp?
  let from: UInt64?
  let to: UInt64?

  /// Reads the parameters; what it refuses it says in the context. Nothing but names and ids gets into a filter, since
  /// it is stored where it can't be taken away again.
  init(_ context: inout CheckContext) {
    let given = context.parameters
    isWholeService = given["whole_service"]?.boolValue ?? false
    withholdsOthers = given["withhold_others"]?.boolValue ?? false
    isDecrypted = given["decrypted"]?.boolValue ?? false
    since = given["since"]?.stringValue.flatMap { Timestamp($0) }
    until = given["until"]?.stringValue.flatMap { Timestamp($0) }
    from = given["from"]?.integerValue.flatMap { UInt64(exactly: $0) }
    to = given["to"]?.integerValue.flatMap { UInt64(exactly: $0) }
    filter.resourceTypes = Self.names("resource_types", in: &context) { Self.isName($0[...]) }
    filter.events = Self.names("events", in: &context) { name in
      let parts = name.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
      return parts.count == 2 && Self.isName(parts[0]) && (parts[1] == "*" || Self.isName(parts[1]))
    }
    filter.resources = Self.names("resource_ids", in: &context) { Identifier($0) != nil }.compactMap { Identifier($0) }
    if let actor = given["actor"]?.stringValue {
      if !Self.isActor(actor) {
        context.refuse("/actor", "must be user:<uuid>, api_key:<uuid>, local:<uid> or server")
      }
      filter.actor = actor
    }
    if isWholeService, context.organization != nil, given["organization_id"] != nil {
      context.refuse("/whole_service", "is the opposite of organization_id")
    }
    if withholdsOthers, isWholeService || context.organization == nil {
      context.refuse("/withhold_others", "needs organization_id")
    }
  }

  private static func names(
    _ name: String, in context: inout CheckContext, _ isFit: (String) -> Bool
  ) -> [String] {
    let names = (context.parameters[name]?.arrayValue ?? []).compactMap(\.stringValue)
    if names.count > mostNames { context.refuse("/\(name)", "must have at most \(mostNames) elements") }
    for (index, text) in names.prefix(mostNames).enumerated() where !isFit(text) {
      context.refuse("/\(name)/\(index)", "is no such name or id")
    }
    return names
  }

  private static func isName(_ text: Substring) -> Bool {
    (1...48).contains(text.utf8.count)
      && text.utf8.allSatisfy {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
          || $0 == UInt8(ascii: "_")
      }
  }

  private static func isActor(_ text: String) -> Bool {
    if text == "server" { return true }
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2 else { return false }
    switch parts[0] {
    case "user", "api_key": return Identifier(String(parts[1])) != nil
    case "local": return UInt32(parts[1]) != nil
    default: return false
    }
  }

  /// The organization whose events are asked for; nil for all, and for what belongs to none.
  func organization(of prepared: PreparedCommand) -> Identifier? { isWholeService ? nil : prepared.organization }

  /// Whose headers are shown; nil for all.
  func headersOf(_ organization: Identifier?, for principal: Principal) -> Identifier? {
    principal.readsAllHeaders && !withholdsOthers ? nil : organization
  }

  /// Refuses who may not read the records that are asked for.
  /// - Throws: ``Refusal`` `forbidden`.
  static func authorize(_ principal: Principal, in organization: Identifier?) throws {
    guard let reach = Audience.log.reach(of: principal) else { throw Refusal.forbidden(permission: "log:read") }
    guard let own = reach.organizations else { return }
    if let organization, !principal.canSee(organization: organization) {
      throw Refusal.missing("organization", organization, at: "/organization_id")
    }
    guard let organization, own.contains(organization) else { throw Refusal.forbidden(permission: "log:read") }
    guard principal.allows(.read, on: "exports", organization: organization) else {
      throw Refusal.forbidden(permission: "exports:read")
    }
  }
}
