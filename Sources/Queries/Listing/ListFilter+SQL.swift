import CanonicalJSON
import Catalog

extension ListCondition {
  /// The condition in SQL; its values go into the builder.
  func sql(in builder: inout SQLBuilder) -> String {
    let target = operandSQL
    switch comparison {
    case .isNull: return values.first?.boolValue == true ? "\(column.sql) IS NULL" : "\(column.sql) IS NOT NULL"
    case .eq: return "\(target) = \(bound(in: &builder))"
    case .ne: return "\(target) IS DISTINCT FROM \(bound(in: &builder))"
    case .gt: return "\(target) > \(bound(in: &builder))"
    case .gte: return "\(target) >= \(bound(in: &builder))"
    case .lt: return "\(target) < \(bound(in: &builder))"
    case .lte: return "\(target) <= \(bound(in: &builder))"
    case .in:
      guard !values.isEmpty else { return "false" }
      return "\(target) IN (\(values.map { builder.bind($0, as: column.cast) }.joined(separator: ", ")))"
    case .prefix: return "starts_with(\(target), \(bound(in: &builder)))"
    case .contains:
      if column.isText { return "strpos(\(target), \(bound(in: &builder))) > 0" }
      return "\(target) @> \(bound(in: &builder))"
    }
  }

  private func bound(in builder: inout SQLBuilder) -> String {
    builder.bind(values.first ?? .null, as: column.cast)
  }

  /// The column as it is compared: without regard to case where that is its rule, and `text[]` as the JSON array that
  /// it stands for.
  private var operandSQL: String {
    column.field.type == .tags ? "to_jsonb(\(column.sql))" : column.comparedSQL
  }
}
