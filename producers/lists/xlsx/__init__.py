"""Reading lists from XLSX workbooks: sheets, cells, and values as a spreadsheet shows them."""
