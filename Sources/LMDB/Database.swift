import CLMDB

/// A named database inside an environment; valid as long as the environment is open.
package struct Database: Sendable, Hashable {
  /// Its name.
  package let name: String
  let handle: MDB_dbi

  /// Its number in the environment: small, and no other database's.
  package var number: Int { Int(handle) }
}

/// What LMDB says of a database's pages.
package struct DatabaseStatistics: Sendable, Equatable {
  /// How many entries it has.
  package let entries: UInt64
  /// How many pages of any kind it occupies.
  package let pages: UInt64
}
