"""A report's content as HTML, PDF, workbook, CSV and JSON."""
