import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Vault

extension IndexDerivation {
  /// How the indexes of a log follow from its records by the catalog that it has recorded last, or by another one where
  /// it has recorded none, or none that this program reads; ``notes`` say so then.
  /// - Throws: ``EventLogError`` where the log can't be read.
  public static func recorded(
    in snapshot: borrowing LogSnapshot, vault: Vault, otherwise catalog: Catalog
  ) throws -> IndexDerivation {
    let id = CommandEngine.catalogIdentifier
    let state = try snapshot.state(id)
    let revision = try snapshot.history(of: id, versions: (state?.version ?? 1)...Int64.max).last
    let source = try revision?.parsedBody().data["source"]?.objectValue
    var recorded: Catalog?
    var reason: String?
    if let source, let revision {
      do {
        // JSON is YAML. A catalog of an older program may have what this one doesn't read any more.
        recorded = try Catalog.load(
          recorded: source.map { (name: $0.key, text: $0.value.canonicalString) }, label: "the log's catalog")
      } catch {
        let problem = error.problems.first.map { "\($0)" } ?? "it can't be read"
        reason =
          "The catalog that the log has recorded at position \(revision.position) isn't read by this program "
          + "any more (\(problem))"
      }
    } else if snapshot.head.position > 0 {
      reason = "The log has recorded no catalog"
    }
    let notes = reason.map {
      "\($0), so the indexes were made by the resource types of this program. Where these have other unique fields, "
        + "references or personal fields, the indexes follow them and not what was in force."
    }
    let rules = IndexRules(catalog: recorded ?? catalog, vault: vault)
    return IndexDerivation(
      defaults: StateDefaults(state?.fields["defaults"]?.objectValue ?? [:]), notes: notes.map { [$0] } ?? [],
      entries: { state, snapshot in
        let entries = try rules.entries(for: state) { try snapshot.state($0)?.fields["platform"]?.stringValue }
        return Entries(unique: entries.unique, links: entries.links)
      },
      subjects: { header, body, snapshot in
        try rules.subjects(of: header, body) { field in
          try snapshot.fold(header.resource, through: header.position)?.reference(field)
        }
      },
      command: { actor, id, command in CommandEngine.currentCommand(actor, id, command, by: vault) })
  }
}
