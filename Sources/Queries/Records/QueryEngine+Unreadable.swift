import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Vault

extension QueryEngine {
  /// The fields of a row of a read model, with a mark where a personal value can't be read: PostgreSQL has NULL there,
  /// and the log tells that from what never was.
  ///
  /// The values of one resource are sealed with one key, so the log is asked only where one is missing that every
  /// resource of the type has.
  func marked(_ fields: JSONObject, of id: Identifier, _ type: ResourceType) throws -> JSONObject {
    let fields = try unmarked(fields, of: id)
    let personal = type.fields.filter { $0.personal != nil }
    guard personal.contains(where: { ($0.isRequired || $0.defaultValue != nil) && !fields.contains($0.name) }),
      let state = try log.read({ try $0.state(id) })
    else { return fields }
    var marked = fields
    for field in personal where !fields.contains(field.name) {
      guard let stored = state.fields[field.name] else { continue }
      let shown = try view.personal(stored, field: field.name, resource: id)
      // What opens is a value that the read model doesn't have yet.
      if shown == Unreadable.erased || shown == Unreadable.locked { marked[field.name] = shown }
    }
    return marked
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

  /// Why and from where an event was, as the log has it, for a row of the audit trail that has neither: null, or a mark
  /// where it can't be read. Where nobody was erased, what the row says stands.
  func unreadable(at position: UInt64) throws -> (reason: JSON, origin: JSON)? {
    guard vault.hasErasures, let record = try log.read({ try $0.record(at: position) }) else { return nil }
    let resource = try record.parsedHeader().resource
    let body = try record.parsedBody()
    let origin = try view.origin(body.origin, resource: resource)
    return (
      try view.reason(body.reason, resource: resource),
      origin == Unreadable.erased || origin == Unreadable.locked ? origin : .null
    )
  }
}
