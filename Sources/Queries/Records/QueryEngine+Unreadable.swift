import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Vault

extension QueryEngine {
  /// The fields of a row of a read model, with a mark where a personal value can't be read, or may only be stored:
  /// PostgreSQL has NULL there, and the log tells that from what never was. To whom such a value is shown, the log
  /// gives it.
  ///
  /// The values of one resource are sealed with one key, so where nobody's data is restricted the log is asked only
  /// where one is missing that every resource of the type has.
  func marked(_ fields: JSONObject, of id: Identifier, _ type: ResourceType, _ principal: Principal) throws
    -> JSONObject
  {
    let fields = try unmarked(fields, of: id)
    let personal = type.fields.filter { $0.personal != nil }
    let hasRestrictions = vault.hasRestrictions
    guard
      personal.contains(where: {
        (hasRestrictions || $0.isRequired || $0.defaultValue != nil) && !fields.contains($0.name)
      }), let state = try log.read({ try $0.state(id) })
    else { return fields }
    let view = view(for: principal)
    var marked = fields
    for field in personal where !fields.contains(field.name) {
      guard let stored = state.fields[field.name] else { continue }
      let shown = try view.personal(stored, field: field.name, resource: id)
      // What opens otherwise is a value that the read model doesn't have yet.
      if Unreadable.isMark(shown) || view.isRestricted(stored, field: field.name, resource: id) {
        marked[field.name] = shown
      }
    }
    return marked
  }

  /// Whether a personal field of a resource may only be stored and isn't for the caller, who then finds nothing by it.
  func isKept(_ field: String, of state: ResourceState, _ principal: Principal) throws -> Bool {
    guard catalog.type(state.type)?.field(field)?.personal != nil, let stored = state.fields[field] else {
      return false
    }
    return try view(for: principal).personal(stored, field: field, resource: state.id) == Unreadable.restricted
  }

  /// The fields of a row with a text as it is, where somebody wrote just what PostgreSQL has in the place of a value
  /// that was taken out.
  private func unmarked(_ fields: JSONObject, of id: Identifier) throws -> JSONObject {
    guard fields.contains(where: { $0.value == Redactions.mark }), let state = try log.read({ try $0.state(id) }) else {
      return fields
    }
    return JSONObject(
      members: fields.map { name, value in
        value == Redactions.mark && state.fields[name] == .string(Redactions.markText)
          ? (key: name, value: .string(Redactions.markText)) : (key: name, value: value)
      })
  }

  /// Why something was, of what may only be stored, for an officer: the row, which lacks it, doesn't say for whom it
  /// is.
  func restrictedReason(at position: UInt64, _ call: QueryCall) throws -> JSON {
    guard vault.hasRestrictions, call.principal.office == .officers else { return .null }
    return try log.read { snapshot in
      guard let record = try snapshot.record(at: position) else { return .null }
      let header = try record.parsedHeader()
      guard let type = catalog.type(header.type), let state = try snapshot.state(header.resource) else { return .null }
      return try reason(of: header, record.parsedBody(), state, call.access(to: type))
    }
  }

  /// Why and from where an event was, as the log has it, for a row of the audit trail that has neither: null, or a mark
  /// where it can't be read, or may only be stored; where that is for the caller, the value. Where nobody was erased or
  /// restricted, what the row says stands.
  func unreadable(at position: UInt64, _ principal: Principal) throws -> (reason: JSON, origin: JSON)? {
    guard vault.hasErasures || vault.hasRestrictions, let record = try log.read({ try $0.record(at: position) }) else {
      return nil
    }
    let view = view(for: principal)
    let resource = try record.parsedHeader().resource
    let body = try record.parsedBody()
    return (
      try view.reason(body.reason, resource: resource), try view.origin(body.origin, resource: resource)
    )
  }
}
