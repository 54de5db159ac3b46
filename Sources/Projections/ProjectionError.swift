/// Why the read models can't do what was asked, fit to be shown: it holds no values.
public struct ProjectionError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What kind of refusal it is.
  public enum Code: Sendable, Equatable {
    /// A wait ended before the read models had come that far; this is the position they have.
    case stale(position: UInt64)
    /// PostgreSQL is away, or what was asked for is being filled.
    case unavailable
    /// There is no read model of that name.
    case unknown
    /// A file of `projections/` contradicts itself or the catalog.
    case definition
    /// Objects that Daybook didn't make depend on tables that a rebuild would replace.
    case dependents
    /// Another projector has taken over this database.
    case deposed
    /// The read model stopped at an event.
    case parked(position: UInt64)
    /// A PostgreSQL role can't be made or changed.
    case role
    /// A rebuild is under way already.
    case busy
  }

  /// What kind of refusal it is.
  public let code: Code
  /// A sentence for a person: what is wrong, and what to do.
  public let message: String

  /// A refusal of that kind.
  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  /// The sentence.
  public var description: String { message }

  static func definition(_ file: String, _ problem: String) -> ProjectionError {
    ProjectionError(.definition, "projections/\(file): \(problem)")
  }

  static func unavailable(_ message: String) -> ProjectionError { ProjectionError(.unavailable, message) }

  /// The rows and the personal columns of a read model are not at one position.
  static func apart(_ name: String, rows: UInt64, personal: UInt64) -> ProjectionError {
    .unavailable(
      "The personal columns of \(name) are at position \(personal) and its rows at \(rows): one of them is being filled again from the log. Ask again in a moment."
    )
  }
}
