"""Operations of Application Auto Scaling."""
