import pytest

pytest.register_assert_rewrite("tests.log.contract", "tests.log.contract_lock")
