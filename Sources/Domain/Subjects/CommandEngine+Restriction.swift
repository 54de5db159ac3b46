import BasicTypes
import Catalog
import EventLog
import NIOConcurrencyHelpers
import Records
import Refusals
import Vault

/// What follows a restriction of processing (GDPR Art. 18), and its end: whose values may only be stored, the log says;
/// the vault is told, and everything that shows values asks it.
extension CommandEngine {
  /// Says how read models are brought to what may be shown.
  package func restrictReadModels(by apply: @escaping @Sendable ([Restriction], Duration) async throws -> Void) {
    erasures.restrictedReadModels.withLockedValue { $0 = apply }
  }

  /// Brings the read models to what may be shown, where they are not: to be called from time to time, since PostgreSQL
  /// may be away when somebody's data is restricted.
  /// - Throws: ``Refusal``, or what the read models throw; the next call goes on.
  public func applyRestrictions() async throws { try await applyRestrictions(patience: ErasureKeeper.timedPatience) }

  /// Tells the vault whose values may only be stored: at start, before anything is shown.
  func recallRestrictions() throws {
    do {
      for person in try log.read({ try $0.restrictions().map(\.person) }) { try recallRestriction(of: person) }
    } catch {
      throw Refusal(causedBy: error)
    }
  }

  /// Hides a person's values, or shows them again, as the log says it now.
  func completeRestriction(of person: Identifier) async throws {
    try recallRestriction(of: person)
    try await applyRestrictions(patience: ErasureKeeper.patience)
  }

  private func recallRestriction(of person: Identifier) throws {
    try erasures.recalling.withLockedValue { _ in
      let resources = try log.read { snapshot in
        try snapshot.restriction(of: person).map { _ in try Self.holders(of: person, model, snapshot) }
      }
      if let resources { vault.restrict(person, resources: resources) } else { vault.unrestrict(person) }
    }
  }

  private func applyRestrictions(patience: Duration) async throws {
    guard let apply = erasures.restrictedReadModels.withLockedValue({ $0 }) else { return }
    let model = model
    let restrictions = try await log.background { snapshot in
      try snapshot.restrictions().map { person, record in
        Restriction(
          person: person, version: record.version, resources: try Self.holders(of: person, model, snapshot).sorted())
      }
    }
    if !restrictions.isEmpty { try await apply(restrictions, patience) }
  }

  /// What holds personal values of a person, sealed or in the clear: the person, and what names them as whose it is.
  private static func holders(
    of person: Identifier, _ model: CatalogModel, _ snapshot: borrowing LogSnapshot
  ) throws -> Set<Identifier> {
    var holders: Set<Identifier> = [person]
    for type in model.types.values where type.subjects.contains(where: { $0 != .resource }) {
      for link in try snapshot.referrers(of: person, type: type.name, limit: .max) {
        guard let state = try snapshot.state(link.id) else { continue }
        if type.persons(of: state).contains(person) { holders.insert(state.id) }
      }
    }
    return holders
  }
}
